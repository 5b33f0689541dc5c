/* An organization as others see it: in what a job's handler is sent. */
#ifndef WEIR_ONBOARD_ORGANIZATION_JSON_H
#define WEIR_ONBOARD_ORGANIZATION_JSON_H

#include "base/buf.h"
#include "store/onboard.h"

typedef struct OrganizationInJson {
    int64_t id, version;
    const OrganizationContent *content;
} OrganizationInJson;

/* {"id":7,"domain":…,"name":…,"contact_email":…,"metadata":{…},"version":1}; no metadata is null. */
void organization_put_json(Buf *buf, const OrganizationInJson *organization);

#endif
