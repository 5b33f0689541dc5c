#include "sim/onboarding.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/hand_in.h"
#include "sim/people.h"
#include "sim/world.h"
#include "support/need.h"
#include "support/random.h"

#define SECOND_US INT64_C(1000000)
#define HOUR_US   (3600 * SECOND_US)

static uint64_t below(World *world, uint64_t limit) { return random_below(&world->onboarding.random, limit); }
static bool percent(World *world, unsigned chance) { return below(world, 100) < chance; }

#define KEEP(world, ...)          str_from(need((void *)(uintptr_t)arena_printf(&(world)->workload.texts, __VA_ARGS__)))
#define ARRAY(world, Type, count) ((Type *)need(ARENA_ARRAY(&(world)->workload.texts, Type, (count) + 1)))

/* ---- What the seed draws ----------------------------------------------------------------------------------------- */

/* What becomes of organizations is for some of the sinks, too. */
static void widen_subscriptions(World *world)
{
    const unsigned of_onboarding = (1u << MESSAGE_KIND_COUNT) - (1u << MESSAGE_ORGANIZATION_CREATED);
    for (size_t i = 0; i < world->deliveries.count; i++) {
        Subscription *subscription = &world->deliveries.options[i].subscription;
        unsigned some = percent(world, 50) ? of_onboarding : (unsigned)below(world, of_onboarding + 1) & of_onboarding;
        subscription->kinds |= percent(world, 70) ? some : 0;
        char kinds[DELIVERIES_KINDS_BYTES];
        story_tell(&world->story, "%s: its kinds are %s", tables_sink_name(i),
                   deliveries_kinds(subscription->kinds, kinds));
    }
}

void onboarding_init(World *world, uint64_t seed)
{
    static const size_t domains[] = {2, 8, 30, ONBOARDING_DOMAINS_MAX};
    Onboarding *onboarding = &world->onboarding;
    *onboarding = (Onboarding){.random = seed};
    if (percent(world, 67)) {
        return;
    }
    onboarding->busy_percent = 15 + (unsigned)below(world, 50);
    onboarding->has_runner = percent(world, 85);
    onboarding->domains = domains[below(world, sizeof domains / sizeof *domains)];
    onboarding->items_max = 1 + below(world, percent(world, 20) ? 40 : 6);
    onboarding->requests_max = 1 + below(world, onboarding->items_max > 6 ? 6 : 30);
    onboarding->key_percent = (unsigned)below(world, 100);
    onboarding->repeat_percent = 10 + (unsigned)below(world, 50);
    onboarding->skip_percent = (unsigned)below(world, 40);
    onboarding->fail_percent = (unsigned)below(world, 20);
    story_tell(&world->story, "organizations of %zu domains are onboarded, up to %zu at once", onboarding->domains,
               onboarding->items_max);
    if (onboarding->has_runner) {
        handler_init(world);
    }
    widen_subscriptions(world);
}

void onboarding_release(World *world) { handler_release(world); }

bool onboarding_is_there(const World *world) { return world->onboarding.busy_percent > 0; }

void onboarding_begin_life(World *world)
{
    if (onboarding_is_there(world)) {
        onboard_begin_life(world);
    }
}

void onboarding_rewound(World *world)
{
    if (onboarding_is_there(world)) {
        handler_rewound(world);
    }
}

/* ---- Handing in -------------------------------------------------------------------------------------------------- */

typedef struct Order {
    Submission submission;
    World *world;
    OnboardOutcome outcomes[]; /* of a batch */
} Order;

static void on_done(Submission *submission, Status status, const Error *error)
{
    Order *order = submission->owner;
    hand_in_done(order->world, submission);
    handler_told(order->world, &submission->work, status, error, false);
    free(order);
}

static void say(void *self, OnboardChange *change)
{
    change->answer->code = 202;
    change->answer->answer = onboard_answer_text(self, change->batch_id, change->outcomes, change->count);
}

/* Whoever finds the queue full thinks better of it, or asks again another time. */
void onboarding_submit(World *world, const Work *work)
{
    size_t count = work->kind == WORK_ONBOARD ? work->onboard.count : 0;
    Order *order = need(calloc(1, sizeof *order + count * sizeof order->outcomes[0]));
    Error error = {0};
    order->world = world;
    order->submission = (Submission){.work = *work, .bytes = 100 + 50 * count, .done = on_done, .owner = order};
    if (work->kind == WORK_ONBOARD) {
        order->submission.work.onboard.outcomes = order->outcomes;
        order->submission.work.onboard.say = say;
        order->submission.work.onboard.self = world;
    }
    if (hand_in(world, &order->submission, &error) != STATUS_OK) {
        free(order);
    }
}

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

static Str domain(World *world)
{
    return KEEP(world, "org-%" PRIu64 ".example", below(world, world->onboarding.domains));
}

static OrganizationContent draw_content(World *world)
{
    OrganizationContent content = {.domain = domain(world)};
    content.name = KEEP(world, "Organization %" PRIu64, below(world, 4));
    content.contact_email = KEEP(world, "contact-%" PRIu64 "@example.com", below(world, 2));
    content.metadata = percent(world, 50) ? KEEP(world, "{\"plan\":%" PRIu64 "}", below(world, 3)) : STR("");
    return content;
}

/* Of the lines of a request some may have been no organizations: then the others have gaps between them. */
static SimRequest *make_request(World *world)
{
    Onboarding *onboarding = &world->onboarding;
    SimRequest *request = &onboarding->requests[onboarding->request_count++];
    int64_t item = -1;
    bool is_partial = percent(world, 30);
    *request = (SimRequest){.count = below(world, onboarding->items_max + 1),
                            .complete = !onboarding->has_runner || percent(world, 10),
                            .hash = (uint8_t)onboarding->request_count};
    request->content = ARRAY(world, OrganizationContent, request->count);
    request->items = ARRAY(world, int64_t, request->count);
    for (size_t i = 0; i < request->count; i++) {
        item += 1 + (is_partial ? (int64_t)below(world, 3) : 0);
        request->content[i] = draw_content(world);
        request->items[i] = item;
    }
    request->on_duplicate = percent(world, onboarding->skip_percent)   ? ON_DUPLICATE_SKIP
                            : percent(world, onboarding->fail_percent) ? ON_DUPLICATE_FAIL
                                                                       : ON_DUPLICATE_UPDATE;
    if (percent(world, onboarding->key_percent)) {
        request->key = KEEP(world, "key-%zu", onboarding->request_count);
    }
    return request;
}

static Str new_batch_id(World *world)
{
    return KEEP(world, "%08" PRIx64 "-%04" PRIx64 "-7000-8000-000000000000", ++world->onboarding.number,
                below(world, 65536));
}

static void ask(World *world, SimRequest *request, uint8_t hash)
{
    IdempotencyAnswer *answer = NULL;
    if (request->key.len) {
        answer = ARRAY(world, IdempotencyAnswer, 1);
        answer->key = request->key;
        answer->body_hash[0] = hash;
        answer->body_hash[31] = 7;
    }
    onboarding_submit(world, &(Work){.kind = WORK_ONBOARD,
                                     .onboard = {.batch_id = request->batch_id,
                                                 .content = request->content,
                                                 .items = request->items,
                                                 .count = request->count,
                                                 .on_duplicate = request->on_duplicate,
                                                 .who = STR("api"),
                                                 .complete = request->complete,
                                                 .answer = answer}});
}

/* Again under its key: for whoever takes it in it is a new batch, unless that is the one that hands it in twice. Seldom
 * somebody takes a key for another request. */
static void act_as_sender(World *world)
{
    Onboarding *onboarding = &world->onboarding;
    bool is_full = onboarding->request_count == onboarding->requests_max;
    bool again = onboarding->request_count > 0 && (is_full || percent(world, onboarding->repeat_percent));
    SimRequest *request = again ? &onboarding->requests[below(world, onboarding->request_count)] : make_request(world);
    if (!again || percent(world, 70)) {
        request->batch_id = new_batch_id(world);
    }
    if (again && is_full && !request->key.len && percent(world, 80)) {
        return;
    }
    ask(world, request, percent(world, 92) ? request->hash : 255);
}

/* ---- People ------------------------------------------------------------------------------------------------------ */

static Str draw_batch(World *world)
{
    const OnboardTables *tables = &world->tables.onboard;
    return tables->batch_count > 0 && percent(world, 95) ? tables->batches[below(world, tables->batch_count)].stored.id
                                                         : STR("no such batch");
}

static void edit(World *world)
{
    static const OrganizationAction actions[] = {ORGANIZATION_UPDATED, ORGANIZATION_UPDATED, ORGANIZATION_DELETED,
                                                 ORGANIZATION_RESTORED};
    const OnboardTables *tables = &world->tables.onboard;
    OrganizationEdit change = {.id = 1 + (int64_t)below(world, tables->organization_count + 1),
                               .action = actions[below(world, sizeof actions / sizeof *actions)],
                               .who = KEEP(world, "person %" PRIu64, below(world, 3))};
    const StoredOrganization *organization = onboard_organization(tables, change.id);
    if (organization && organization->deleted_us && percent(world, 70)) {
        change.action = ORGANIZATION_RESTORED;
    }
    change.version = organization && percent(world, 60) ? organization->version : (int64_t)below(world, 3);
    OrganizationContent content = draw_content(world);
    change.content.name = percent(world, 60) ? content.name : (Str){0};
    change.content.domain = percent(world, 25) ? content.domain : (Str){0};
    change.content.contact_email = percent(world, 30) ? content.contact_email : (Str){0};
    change.content.metadata = percent(world, 30) ? content.metadata : (Str){0};
    onboarding_submit(world, &(Work){.kind = WORK_ORGANIZATION, .organization = change});
}

static void see_to_letters(World *world)
{
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.stage = DEAD_LETTER_JOB;
    people_submit(world, (Work){.kind = WORK_DEAD_LETTERS,
                                .dead_letters = {.filter = filter,
                                                 .action = percent(world, 70) ? DEAD_LETTER_RETRY : DEAD_LETTER_DISCARD,
                                                 .limit = 1 + below(world, 10)}});
}

static void act_as_person(World *world)
{
    uint64_t drawn = below(world, 100);
    if (drawn < 50) {
        edit(world);
    } else if (drawn < 65) {
        see_to_letters(world);
    } else {
        onboarding_submit(world, &(Work){.kind = drawn < 85 ? WORK_BATCH_RETRY : WORK_BATCH_CANCEL,
                                         .batch = {.batch_id = draw_batch(world)}});
    }
}

/* ---- Looks ------------------------------------------------------------------------------------------------------- */

static void look(World *world)
{
    StoreReader *reader = NULL;
    StoreView *view = NULL;
    Error error = {0};
    char difference[ONBOARD_TEXT_BYTES];
    uint64_t struck = faults_struck(world);
    Status status = machine_reader(&world->machine, MACHINE_READER_QUICK, &reader, &error);
    if (status == STATUS_OK) {
        status = reader_begin(reader, &view, &error);
    }
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "a look at organizations", status, error.message);
        return;
    }
    if (!onboard_check(world, reader, difference)) {
        story_fail(&world->story, "what is stored of onboarding", NULL, difference);
    }
    reader_end(reader);
    view_free(view);
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static void act(World *world)
{
    bool has_runner = world->onboarding.has_runner;
    uint64_t drawn = below(world, 100);
    if (drawn < 40) {
        act_as_sender(world);
    } else if (drawn < 60) {
        act_as_person(world);
    } else if (drawn < 72 && has_runner) {
        handler_act_as_other(world);
    } else if (drawn < 80 && has_runner) {
        handler_go_wrong(world);
    } else if (drawn < 87) {
        look(world);
    } else if (drawn == 99 && percent(world, 10)) {
        story_tell(&world->story, "a day goes by");
        machine_pass_time(&world->machine, 25 * HOUR_US);
    }
}

static void move_on(World *world)
{
    enum { ROUNDS_MAX = 4 };
    bool idle = false;
    size_t rounds = 1 + below(world, ROUNDS_MAX);
    for (size_t i = 0; i < rounds && !sim_disk_is_frozen(world->machine.disk); i++) {
        if (world->onboarding.has_runner) {
            handler_move_on(world, (int64_t)below(world, 2 * SECOND_US));
        }
        if (percent(world, 50) && !sim_disk_is_frozen(world->machine.disk)) {
            machine_step(&world->machine, &idle);
        }
    }
}

void onboarding_step(World *world)
{
    if (!onboarding_is_there(world)) {
        return;
    }
    if (world->onboarding.has_runner) {
        handler_end_outage(world);
    }
    if (!percent(world, world->onboarding.busy_percent)) {
        return;
    }
    act(world);
    if (!faults_end_is_due(world)) {
        move_on(world);
    }
}

void onboarding_stop(World *world)
{
    if (world->onboarding.has_runner) {
        handler_stop(world);
    }
}

/* ---- The end ----------------------------------------------------------------------------------------------------- */

static bool is_at_rest(const World *world)
{
    const OnboardTables *tables = &world->tables.onboard;
    for (size_t i = 0; i < tables->job_count; i++) {
        if (tables->jobs[i].stored.state <= JOB_PROCESSING) {
            return false;
        }
    }
    return !clients_wait(world);
}

/* A job waits for a day at most, whatever the clock did. */
void onboarding_finish(World *world)
{
    enum { ROUNDS_MAX = 2000, PATIENT = 500, LEAP = 8 };
    bool idle = false;
    if (!onboarding_is_there(world)) {
        return;
    }
    if (world->onboarding.has_runner) {
        handler_make_peace(world);
    }
    for (int i = 0; i < ROUNDS_MAX && !is_at_rest(world); i++) {
        if (world->onboarding.has_runner) {
            handler_move_on(world, 60 * SECOND_US);
        }
        machine_step(&world->machine, &idle);
        if (i > PATIENT && i % LEAP == 0) {
            machine_pass_time(&world->machine, HOUR_US);
        }
    }
    if (!is_at_rest(world)) {
        story_fail(&world->story, "onboarding, when nothing goes wrong any more", "that each job ends", "open ones");
    }
    story_tell(&world->story, "%zu organizations in %zu batches have come to rest",
               world->tables.onboard.organization_count, world->tables.onboard.batch_count);
    look(world);
}
