/* What a person does to an organization. */
#include <inttypes.h>

#include "store/sqlite/onboard_parts.h"

/* A change on its way. */
typedef struct Edit {
    SqliteStore *store;
    Work *work;
    OrganizationEdit *edit;
    StoredOrganization before, after;
    bool differs; /* what of its content is in store->onboard.text */
    int64_t now_us;
    Error *reterr;
} Edit;

static Status refuse(Edit *edit, Status status, const char *why)
{
    edit->work->status = error_set(&edit->work->error, status, "organization %" PRId64 ": %s", edit->edit->id, why);
    return STATUS_OK;
}

static bool is_refused(const Edit *edit) { return edit->work->status != STATUS_OK; }

/* ---- Whether it may be ------------------------------------------------------------------------------------------- */

static Status find(Edit *edit)
{
    bool found = false, is_restored = edit->edit->action == ORGANIZATION_RESTORED;
    Status status = onboard_find_organization(edit->store, edit->edit->id, &edit->before, &found, edit->reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (!found) {
        return refuse(edit, STATUS_REFUSED, "there is none");
    }
    if (is_restored != (edit->before.deleted_us != 0)) {
        return refuse(edit, STATUS_REFUSED, is_restored ? "it is not deleted" : "it is deleted");
    }
    edit->edit->version_differs = edit->edit->version && edit->edit->version != edit->before.version;
    return edit->edit->version_differs ? refuse(edit, STATUS_CONFLICT, "it was changed meanwhile") : STATUS_OK;
}

static void put_if_any(Str *text, Str other)
{
    if (other.ptr) {
        *text = other;
    }
}

static void prepare(Edit *edit)
{
    const OrganizationContent *content = &edit->edit->content;
    StoredOrganization *after = &edit->after;
    *after = edit->before;
    if (edit->edit->action == ORGANIZATION_UPDATED) {
        put_if_any(&after->content.name, content->name);
        put_if_any(&after->content.domain, content->domain);
        put_if_any(&after->content.contact_email, content->contact_email);
        put_if_any(&after->content.metadata, content->metadata);
    }
    after->deleted_us = edit->edit->action == ORGANIZATION_DELETED ? edit->now_us : 0;
    after->version++;
    after->updated_us = edit->now_us;
    edit->differs = onboard_put_differences(edit->store, &edit->before.content, &after->content);
}

/* One that is not deleted has its domain for itself. */
static Status check_domain(Edit *edit)
{
    int64_t id = 0;
    Status status = edit->after.deleted_us
                        ? STATUS_OK
                        : onboard_find_domain(edit->store, edit->after.content.domain, false, &id, edit->reterr);
    return status == STATUS_OK && id && id != edit->edit->id
               ? refuse(edit, STATUS_CONFLICT, "another organization has the domain")
               : status;
}

/* ---- What is written --------------------------------------------------------------------------------------------- */

static Status note(Edit *edit)
{
    const OrganizationChange change = {.organization = edit->after.id,
                                       .action = edit->edit->action,
                                       .version = edit->after.version,
                                       .at_us = edit->now_us,
                                       .who = edit->edit->who,
                                       .changed = buf_str(&edit->store->onboard.text)};
    return edit->store->onboard.text.failed
               ? error_set(edit->reterr, STATUS_BUSY, "out of memory for the changes of an organization")
               : onboard_append_change(edit->store, &change, 0, edit->reterr);
}

/* Nobody is to be called about one that is deleted. */
static Status cancel(Edit *edit)
{
    bool cancelled = false;
    Status status = onboard_cancel_job(edit->store, edit->after.job, edit->now_us, &cancelled, edit->reterr);
    edit->after.status = cancelled ? JOB_CANCELLED : edit->after.status;
    return status;
}

static void count(Edit *edit)
{
    int64_t *organizations = &edit->store->onboard.totals.organizations;
    *organizations += (edit->before.deleted_us != 0) - (edit->after.deleted_us != 0);
}

/* The audit row first: its text is where the message's will be. */
static Status write(Edit *edit)
{
    Status status = note(edit);
    if (status == STATUS_OK) {
        status = onboard_put_organization(edit->store, &edit->after, edit->reterr);
    }
    if (status == STATUS_OK && edit->after.deleted_us) {
        status = cancel(edit);
    }
    count(edit);
    edit->edit->new_version = edit->after.version;
    return status == STATUS_OK
               ? onboard_announce(edit->store, ORGANIZATION_UPDATED, &edit->after, NULL, edit->now_us, edit->reterr)
               : status;
}

static Status apply(Edit *edit)
{
    Status status = find(edit);
    if (status != STATUS_OK || is_refused(edit)) {
        return status;
    }
    prepare(edit);
    edit->edit->new_version = edit->before.version;
    if (edit->edit->action == ORGANIZATION_UPDATED && !edit->differs) {
        return STATUS_OK;
    }
    status = check_domain(edit);
    return status == STATUS_OK && !is_refused(edit) ? write(edit) : status;
}

Status sqlite_edit_organization(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    Edit edit = {.store = store, .work = work, .edit = &work->organization, .now_us = now_us, .reterr = reterr};
    edit.edit->version_differs = false;
    edit.edit->new_version = 0;
    Status status = sqlite_begin_onboard(store, reterr);
    if (status == STATUS_OK) {
        status = apply(&edit);
    }
    return status == STATUS_OK && !is_refused(&edit) ? sqlite_end_onboard(store, reterr) : status;
}
