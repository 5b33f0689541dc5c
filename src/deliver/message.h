/* The messages that downstream services get: notifications and alerts as JSON. */
#ifndef WEIR_DELIVER_MESSAGE_H
#define WEIR_DELIVER_MESSAGE_H

#include "base/buf.h"
#include "process/rules.h"
#include "store/store.h"

/* {"record":{…},"summary":{…}}: the record and the summary of its flow before it. */
void message_put_notification(Buf *buf, const StoredRecord *stored, unsigned scale);

/* What an alert says besides its record, as the store keeps it: {"rule":"default","threshold":1000.00,…}. */
void message_put_alert_body(Buf *buf, const Alert *alert, unsigned scale);

/* {"dead_letter":{"id":…,"stage":"delivery","sink":…,"seq":…,"error":…,"attempts":…,"created":"…"}}: the whole message
 * that a dead letter was made. One of intake has the "source" and the "place" in place of sink and seq, one of a job
 * the "batch_id" and the "place". */
void message_put_dead_letter_body(Buf *buf, const DeadLetter *letter);

/* {"organization":{"id":…,"domain":…,"name":…,"contact_email":…,"metadata":…,"status":"completed","version":…,"created":"…","updated":"…"},
 * "batch_id":…,"job":{"id":…,"item":…,"status":…,"attempts":…}}: the whole of an "organization.…" message. A deleted
 * one has the time "deleted", a job with an error the "error"; metadata is null when there is none, and batch_id and
 * job are when `job` is NULL: it was a person. */
void message_put_organization_body(Buf *buf, const StoredOrganization *organization, const StoredJob *job);

/* {"batch":{"batch_id":…,"total":…,"pending":…,"processing":…,"completed":…,"failed":…,"cancelled":…,"created":"…","started":"…","finished":"…"}}:
 * the whole of a "batch.…" message. Times that have not come are left out. */
void message_put_batch_body(Buf *buf, const StoredBatch *batch);

/* What one of the two is about, from its body: the organization's domain, the batch's id; empty for any other. Borrows
 * from the body. The hash is in place of a flow's, so that messages about one thing keep their order; 0 for none. */
Str message_subject(Str body);
uint64_t message_subject_hash(Str body, uint64_t hash_seed);

/* {"record":{…},"rule":…,"threshold":…,"exceeded_by":…,"severity":…} from the stored body. */
void message_put_alert(Buf *buf, const StoredRecord *stored, Str body, unsigned scale);

#endif
