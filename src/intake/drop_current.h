/* The dropped file that is being read: its items become messages of groups. */
#ifndef WEIR_INTAKE_DROP_CURRENT_H
#define WEIR_INTAKE_DROP_CURRENT_H

#include "intake/drop_dir.h"
#include "intake/source_group.h"

enum { DROP_PENDING_MAX = 8 }; /* groups that were handed over and not acknowledged */

/* The file that is being read. */
typedef struct DropCurrent {
    DropFile file;
    FileReader *reader;                       /* NULL when it cannot be read at all */
    char shown[FILE_MARK_NAME_BYTES_MAX + 1]; /* its name in UTF-8 */
    unsigned number;                          /* under which it goes to done/ or failed/ */
    FilePosition acknowledged, behind, read;  /* what is in the store; what was handed over; what was read */
    FilePosition pending[DROP_PENDING_MAX];
    size_t pending_first, pending_count;
    FileItem item; /* that found no room in the last group */
    bool has_item, at_end;
    bool resuming; /* on the way to the place behind what was acknowledged before */
    Error trouble; /* why it cannot be read on; its message is empty when it can */
    bool told;     /* the trouble is in a group */
} DropCurrent;

/* Fills `shown` from the file's name. */
void drop_current_show_name(DropCurrent *current);

/* Adds what the file has to the group, until that is full: `behind` is behind the last item in there. What is wrong
 * with the file itself becomes its trouble, and a message at its end: what could not be cut, or the beginning of that.
 * BUSY: no memory. */
Status drop_current_fill(DropCurrent *current, size_t message_bytes_max, SourceGroup *group, Error *reterr) MUST_CHECK;

/* All of it was handed over and acknowledged. */
bool drop_current_is_finished(const DropCurrent *current);

#endif
