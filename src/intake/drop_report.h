/* The report about the lines of a dropped file that were not taken in, as NDJSON: {"line":17,"error":"…","raw":"…"}. It
 * grows while the file is read, and is cut back to what is known for sure when the file is gone on with. */
#ifndef WEIR_INTAKE_DROP_REPORT_H
#define WEIR_INTAKE_DROP_REPORT_H

#include "intake/drop_dir.h"

typedef struct DropReport {
    int fd;         /* -1: not open */
    uint64_t bytes; /* in the file; 0: there is no report */
    Buf text;       /* that is not written yet */
} DropReport;

void drop_report_init(DropReport *report);
void drop_report_release(DropReport *report);
/* The report about another file. */
void drop_report_reset(DropReport *report);

/* Opens what an earlier run has written, of which `bytes` count. *ret_there is false when it is not all there. */
Status drop_report_go_on(DropReport *report, const DropDir *dir, const char *name, unsigned number, uint64_t bytes,
                         bool *ret_there, Error *reterr) MUST_CHECK;

/* A line of it. */
void drop_report_add(DropReport *report, uint64_t line, Str error, Str raw);
/* Writes the lines that were added; the first make the file. BUSY: they cannot be written now. */
Status drop_report_write(DropReport *report, const DropDir *dir, const char *name, unsigned number,
                         Error *reterr) MUST_CHECK;
/* On stable storage, before its file goes beside it. */
Status drop_report_sync(DropReport *report, Error *reterr) MUST_CHECK;

#endif
