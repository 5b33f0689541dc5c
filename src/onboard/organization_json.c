#include "onboard/organization_json.h"

void organization_put_json(Buf *buf, const OrganizationInJson *organization)
{
    const OrganizationContent *content = organization->content;
    const struct {
        const char *name;
        Str text;
    } texts[] = {{"domain", content->domain}, {"name", content->name}, {"contact_email", content->contact_email}};
    BUF_PUT(buf, "{\"id\":");
    buf_put_i64(buf, organization->id);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        buf_put_key(buf, texts[i].name);
        buf_put_json(buf, texts[i].text);
    }
    buf_put_key(buf, "metadata");
    buf_put(buf, content->metadata.len > 0 ? content->metadata : STR("null"));
    buf_put_key_i64(buf, "version", organization->version);
    buf_put_char(buf, '}');
}
