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

/* {"dead_letter":{"id":…,"stage":"delivery","sink":…,"seq":…,"error":…,"attempts":…,"created":"…"}}: the whole message that a dead
 * letter was made. One of intake has the "source" and the "place" in place of sink and seq. */
void message_put_dead_letter_body(Buf *buf, const DeadLetter *letter);

/* {"record":{…},"rule":…,"threshold":…,"exceeded_by":…,"severity":…} from the stored body. */
void message_put_alert(Buf *buf, const StoredRecord *stored, Str body, unsigned scale);

#endif
