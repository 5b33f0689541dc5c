/* What the store keeps about onboarding: organizations, batches of them, a job for each, who changed what, and the
 * answers that were given to requests with an idempotency key. Small ordinary tables beside the log; what others have
 * to know of it goes into the log as messages (deliver/message.h), in the transaction that causes it.
 *
 * Texts of what is written borrow until the work is done, texts that a visitor gets until it returns. Times are
 * microseconds by the wall clock. */
#ifndef WEIR_STORE_ONBOARD_H
#define WEIR_STORE_ONBOARD_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    ONBOARD_ITEMS_MAX = 1000,              /* organizations of a batch */
    ONBOARD_METADATA_BYTES_MAX = 64 << 10, /* of one organization */
    ONBOARD_KEY_BYTES_MAX = 255,           /* of an idempotency key */
    ONBOARD_BATCH_ID_BYTES = 36,           /* a UUID (version 7) in its text form */
    ONBOARD_WHO_BYTES_MAX = 64,
    ONBOARD_ERROR_BYTES_MAX = 1024, /* a longer one is cut */
};

#define ONBOARD_WAIT_US_MAX                                                                                            \
    (INT64_C(25) * 3600 * 1000000) /* for another attempt; more only a clock that was set back asks for */

/* ---- Jobs and batches -------------------------------------------------------------------------------------------- */

typedef enum JobState {
    JOB_PENDING,    /* waits for its turn, or for its next attempt */
    JOB_PROCESSING, /* somebody has it, until its lease ends */
    JOB_COMPLETED,
    JOB_FAILED,    /* gave up: there is a dead letter of stage `job` */
    JOB_CANCELLED, /* by a person, before it was taken */
} JobState;
#define JOB_STATE_COUNT ((size_t)5)
extern const char *const job_state_names[JOB_STATE_COUNT]; /* "pending", "processing", … */

/* One for each organization of a batch, for good. */
typedef struct StoredJob {
    int64_t id; /* 1 …; made by the store */
    Str batch_id;
    /* its place in the request, from 0; the key that a handler gets is made of the batch's id and this; the ids of a
     * batch rise with it, and have no gaps */
    int64_t item;
    int64_t organization;
    JobState state;
    int64_t attempts; /* that were begun, since it was made or a person tried it again */
    int64_t due_us;   /* pending: not before; processing: when its lease ends */
    Str error;        /* of the last attempt that told of one; empty: none has. Of a completed one a warning */
    int64_t created_us, updated_us, finished_us; /* 0: not yet */
} StoredJob;

/* The counts always add up: total = the sum of `jobs`. They move in the transaction that moves a job. */
typedef struct StoredBatch {
    int64_t number; /* 1 …; made by the store, in the order in which batches were made */
    Str id;
    int64_t total, jobs[JOB_STATE_COUNT];
    int64_t created_us, updated_us;
    int64_t started_us;  /* when the first job was taken; 0: not yet */
    int64_t finished_us; /* when the last job ended; 0: not yet. Set anew when jobs that had failed are tried again */
} StoredBatch;

/* ---- Organizations ----------------------------------------------------------------------------------------------- */

/* What was asked for, checked and normalised (onboard/organization.h). */
typedef struct OrganizationContent {
    Str name, domain, contact_email;
    Str metadata; /* a JSON object, as short as it can be written; empty: none */
} OrganizationContent;

typedef struct StoredOrganization {
    int64_t id; /* 1 …; made by the store */
    OrganizationContent content;
    JobState status; /* of its newest job */
    Str batch_id;    /* that job's */
    int64_t job;     /* that job */
    int64_t version; /* 1 …; grows with each change of content, deletion and restoration */
    int64_t created_us, updated_us;
    int64_t deleted_us; /* 0: it is there */
} StoredOrganization;

typedef enum OrganizationAction {
    ORGANIZATION_CREATED,
    ORGANIZATION_UPDATED,
    ORGANIZATION_DELETED,
    ORGANIZATION_RESTORED,
    ORGANIZATION_PROCESSED, /* its job was completed */
    ORGANIZATION_FAILED,    /* its job gave up */
} OrganizationAction;
#define ORGANIZATION_ACTION_COUNT ((size_t)6)
extern const char *const organization_action_names[ORGANIZATION_ACTION_COUNT]; /* "created", … */

/* What was done to an organization, by whom. Append-only. */
typedef struct OrganizationChange {
    int64_t id; /* rising */
    int64_t organization;
    OrganizationAction action;
    int64_t version; /* after it */
    int64_t at_us;
    Str who;      /* "api", "cli", "job 17"; an API key's name once there are keys */
    Str changed;  /* {"name":["old","new"],…}: what of its content, metadata as JSON, null for none; "{}": nothing */
    Str batch_id; /* whose; empty: none */
} OrganizationChange;

/* ---- What is written --------------------------------------------------------------------------------------------- */

typedef enum OnDuplicate { ON_DUPLICATE_UPDATE, ON_DUPLICATE_SKIP, ON_DUPLICATE_FAIL } OnDuplicate;

typedef enum OnboardOutcome {
    ONBOARD_NONE,    /* not decided: the work as a whole was refused */
    ONBOARD_CREATED, /* a new organization, and a job */
    ONBOARD_UPDATED, /* the domain was there: its content is replaced (nothing of it may differ), and it gets a job */
    ONBOARD_SKIPPED, /* the domain was there: nothing was done, there is no job */
    ONBOARD_EXISTS,  /* the domain was there, and that is a failure */
} OnboardOutcome;

/* Of one whose domain is there, if only with a deleted organization, or is not. */
OnboardOutcome onboard_outcome(OnDuplicate on_duplicate, bool is_there);

/* Why a batch is in conflict. */
typedef enum OnboardConflict {
    ONBOARD_CONFLICT_NONE,
    /* there is an answer to the same request under its idempotency key: reader_idempotency() has it */
    ONBOARD_CONFLICT_KEY,
    ONBOARD_CONFLICT_BODY,    /* there is one under its idempotency key, to another request */
    ONBOARD_CONFLICT_BATCH,   /* there is a batch with its id: it was handed in before */
    ONBOARD_CONFLICT_DOMAINS, /* ON_DUPLICATE_FAIL met domains that are there: the outcomes say which */
} OnboardConflict;

/* WORK_ONBOARD: a batch, whole or not at all; with it its organizations and jobs, the answer under its idempotency key,
 * and the messages `organization.created` or `organization.updated`. A domain that only a deleted organization has
 * counts as there: an update restores the newest of them. One that `content` has twice is the caller's mistake: the
 * second is a duplicate of the first. CONFLICT: see `conflict`.
 * BUSY: there are IDEMPOTENCY_ANSWERS_MAX answers already. REFUSED: the answer, its key or the number of organizations
 * is beyond its bound. A batch in which every organization is skipped is made as well, and is finished. */
typedef struct OnboardChange {
    Str batch_id;
    const OrganizationContent *content;
    const int64_t *items;     /* the place of each in the request, rising */
    OnboardOutcome *outcomes; /* filled, one each */
    size_t count;             /* at most ONBOARD_ITEMS_MAX */
    OnboardConflict conflict; /* filled */
    OnDuplicate on_duplicate;
    Str who;
    bool complete; /* nothing has to be done for them: the jobs are completed at once, with all that goes with it */
    struct IdempotencyAnswer *answer; /* NULL: there is no key */
    /* Called on the processor's thread when the outcomes are decided and before anything is written, if there is a key:
     * fills in the answer's code and text. A NULL text makes the work BUSY. Must not block. NULL: the answer is as it
     * was handed in. */
    void (*say)(void *self, struct OnboardChange *change);
    void *self; /* goes with it */
} OnboardChange;

/* The answer to a request with an idempotency key, kept for at least IDEMPOTENCY_KEPT_US. Later ones remove those that
 * are older, some at a time; until then an older one counts. */
typedef struct IdempotencyAnswer {
    Str key;
    uint8_t body_hash[32]; /* SHA-256 of what was asked: method, path, query and body */
    int64_t code;          /* the status of the answer */
    Str answer;            /* its body */
    int64_t created_us;    /* when it was stored; of one that is written not looked at */
} IdempotencyAnswer;
#define IDEMPOTENCY_KEPT_US (INT64_C(24) * 3600 * 1000000)
enum { IDEMPOTENCY_ANSWERS_MAX = 100000, IDEMPOTENCY_ANSWER_BYTES_MAX = 256 << 10 }; /* beyond: BUSY */

/* A job that was taken, with what its handler has to know. Texts are in the change's arena. */
typedef struct TakenJob {
    int64_t id, organization;
    Str batch_id;
    int64_t item;
    int64_t attempt;             /* 1 … */
    int64_t token;               /* of this lease; goes with its result */
    OrganizationContent content; /* as it is now */
    int64_t version;
} TakenJob;

/* WORK_JOBS_TAKE: those that are due, the longest waiting first, become JOB_PROCESSING until `lease_us` from now. A
 * lease that ran out is taken over as an attempt more. Jobs of organizations that are deleted are cancelled instead: no
 * more than `limit` of both together, so that there may be more to take at once. When a store is opened all leases end
 * at once: who had them is gone. Where the arena has no room for more, fewer are taken; BUSY when it has none for the
 * first. When the clock was set back, jobs wait as long as they were to wait before. */
typedef struct JobsTake {
    size_t limit;
    int64_t lease_us;
    Arena *arena;
    TakenJob *jobs;      /* room for `limit` */
    size_t count;        /* filled */
    int64_t next_due_us; /* filled: when the next one is due, or its lease ends; INT64_MAX: there is none */
} JobsTake;

typedef enum JobVerdict {
    JOB_VERDICT_COMPLETED,
    JOB_VERDICT_AGAIN,  /* pending once more, due at `due_us`, but no later than ONBOARD_WAIT_US_MAX from now */
    JOB_VERDICT_FAILED, /* for good */
    JOB_VERDICT_HELD,   /* it was not tried: pending, due at `due_us`, and no attempt was spent */
} JobVerdict;

typedef struct JobResult {
    int64_t id, token;
    JobVerdict verdict;
    int64_t due_us;
    Str error;    /* AGAIN, FAILED: why; HELD: likewise, empty leaves what is there */
    Str warning;  /* of a step that went on all the same; kept as the error of a completed job */
    bool counted; /* filled: the lease was still its own, so that it happened */
} JobResult;

/* WORK_JOBS_END: what became of jobs. A result whose token is not the job's lease any more changes nothing; one whose
 * lease has ended counts as long as nobody else has taken the job. Completed ones make `organization.processed`, failed
 * ones `organization.failed` and a dead letter of stage `job` (origin: the batch id, place: "job/<id>", seq 0); the
 * batch whose last job it was makes `batch.completed`, or `batch.failed` when any of its jobs has failed. */
typedef struct JobsEnd {
    JobResult *results;
    size_t count;
    bool announce; /* a new dead letter makes a message "dead_letter.created" */
} JobsEnd;

/* WORK_BATCH_RETRY: failed jobs of a batch are pending again and due, with no attempts; their dead letters are
 * RETRYING, and resolved or open with what becomes of them. WORK_BATCH_CANCEL: pending ones are cancelled (a dead
 * letter that was tried again with one is discarded), and the batch is finished when none is processing. REFUSED: no
 * such batch. */
typedef struct BatchChange {
    Str batch_id;
    size_t count; /* filled: jobs */
} BatchChange;

/* WORK_ORGANIZATION: a change by a person; it makes `organization.updated`. When one is deleted its newest job is
 * cancelled, if that is pending. An update in which nothing differs changes nothing, and makes no message. REFUSED: no
 * such organization, it is deleted (or is not, when it is to be restored). CONFLICT: its version is another one
 * (`version_differs`), or another organization that is not deleted has the domain. */
typedef struct OrganizationEdit {
    int64_t id;
    int64_t version;             /* 0: whatever it is */
    OrganizationAction action;   /* UPDATED, DELETED, RESTORED */
    OrganizationContent content; /* UPDATED: texts with a NULL pointer stay as they are */
    Str who;
    int64_t new_version;  /* filled */
    bool version_differs; /* filled */
} OrganizationEdit;

/* ---- What is read ------------------------------------------------------------------------------------------------ */

/* Newest first. */
typedef struct OrganizationFilter {
    Str search;     /* begins the domain or is in the name, ASCII case ignored; empty: all */
    Str beginning;  /* what is searched for as domains are kept; empty: the same as `search` */
    int status;     /* a JobState; -1: all */
    Str batch_id;   /* those that are in this batch; empty: all */
    bool deleted;   /* the deleted ones instead of the others; not looked at with an id */
    Str domain;     /* this one alone; empty: all */
    int64_t id;     /* likewise; 0: all */
    int64_t before; /* those with a smaller id; 0: all */
    int64_t after;  /* those with a larger id: with both a look reads a range of them at most, whatever it looks for */
} OrganizationFilter;
#define ORGANIZATION_FILTER_ALL ((OrganizationFilter){.status = -1})

/* By item; those of all batches by id. */
typedef struct JobFilter {
    Str batch_id;  /* empty: all */
    int state;     /* a JobState; -1: all */
    int64_t id;    /* 0: all */
    int64_t after; /* items behind this one, ids in all batches; -1: from the first */
} JobFilter;
#define JOB_FILTER_ALL ((JobFilter){.state = -1, .after = -1})

/* Newest first. */
typedef struct BatchFilter {
    Str id;         /* this one alone; empty: all */
    int64_t before; /* those with a smaller number; 0: all */
} BatchFilter;

/* How many jobs are in each state, of all batches, and when the oldest pending one was due; for metrics. */
typedef struct OnboardCounts {
    int64_t batches, jobs[JOB_STATE_COUNT];
    int64_t organizations;     /* that are not deleted */
    int64_t last_organization; /* the newest id */
    int64_t oldest_due_us;     /* 0: none is pending */
} OnboardCounts;

#endif
