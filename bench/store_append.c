/* How fast the store alone takes records: no HTTP, no JSON. Prints the rate of each million.
 *
 *   store_append DIR RECORDS [BATCH [FLOWS [DAYS [shuffled|ordered [RAW]]]]]
 *
 * Random 36-character ids, FLOWS distinct flows over 1,000 destinations, times that go forward through DAYS days (0:
 * now) or, shuffled, are anywhere in them. With RAW they are events of RAW bytes each, of 97 clients. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "store/store.h"

enum { DESTINATIONS = 1000, BATCH_MAX = STORE_BATCH_RECORDS_MAX, RAW_BYTES_MAX = 65536 };

static uint64_t state;

static uint64_t next_random(void) /* splitmix64, Steele et al. 2014 */
{
    uint64_t z = (state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

typedef struct Slot {
    char id[40], source[16], destination[16], reference[24];
} Slot;

static void make_record(Record *record, Slot *slot, uint64_t flows, int64_t time_us, const StoreInfo *info)
{
    uint64_t a = next_random(), b = next_random(), flow = next_random() % flows;
    int id = snprintf(slot->id, sizeof slot->id, "%08x-%04x-%04x-%04x-%012" PRIx64, (unsigned)a,
                      (unsigned)(a >> 32 & 0xffff), (unsigned)(a >> 48), (unsigned)(b & 0xffff), b >> 16);
    int source = snprintf(slot->source, sizeof slot->source, "source-%u", (unsigned)(flow % 97));
    int destination = snprintf(slot->destination, sizeof slot->destination, "dest-%u", (unsigned)(flow % DESTINATIONS));
    int reference = snprintf(slot->reference, sizeof slot->reference, "ref-%" PRIu64, flow / DESTINATIONS);
    *record = (Record){.record_id = {slot->id, (size_t)id},
                       .source_id = {slot->source, (size_t)source},
                       .destination_id = {slot->destination, (size_t)destination},
                       .reference = {slot->reference, (size_t)reference},
                       .unit = STR("EUR"),
                       .time_us = time_us,
                       .value = (int64_t)(next_random() % 100000),
                       .type = next_random() % 3 ? RECORD_POSITIVE : RECORD_NEGATIVE};
    record->identity_hash = record_identity_hash(record, info->identity, info->hash_seed);
}

/* The same bytes for all of them. */
static void make_events(EventItem *items, const Record *records, size_t count, size_t raw_bytes, int64_t now)
{
    static char raw[RAW_BYTES_MAX];
    memset(raw, 'x', raw_bytes);
    for (size_t i = 0; i < count; i++) {
        items[i] = (EventItem){.client = records[i].source_id,
                               .raw = {raw, raw_bytes},
                               .mapping = STR("builtin"),
                               .received_us = now,
                               .normalised_us = now,
                               .hashed_us = now};
    }
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static uint64_t argument(int argc, char **argv, int at, uint64_t otherwise)
{
    uint64_t value = otherwise;
    return argc > at && str_to_u64(str_from(argv[at]), UINT64_MAX, &value) ? value : otherwise;
}

int main(int argc, char **argv)
{
    uint64_t total = argument(argc, argv, 2, 1000000), batch = argument(argc, argv, 3, 4096);
    uint64_t flows = argument(argc, argv, 4, 1000000), days = argument(argc, argv, 5, 0);
    bool shuffled = argc > 6 && strcmp(argv[6], "shuffled") == 0;
    uint64_t raw_bytes = argument(argc, argv, 7, 0);
    Error error = {0};
    Store *store = NULL;
    if (argc < 2 || batch < 1 || batch > BATCH_MAX || raw_bytes > RAW_BYTES_MAX) {
        fprintf(stderr, "usage: store_append DIR RECORDS [BATCH [FLOWS [DAYS [shuffled|ordered [RAW]]]]]\n");
        return 2;
    }
    StoreOptions options = store_options_default(argv[1]);
    if (store_open(&options, &store, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    state = (uint64_t)clock_monotonic_us(&clock_system);
    Record *records = calloc(batch, sizeof *records);
    Slot *slots = calloc(batch, sizeof *slots);
    Outcome *outcomes = calloc(batch, sizeof *outcomes);
    EventItem *items = calloc(batch, sizeof *items);
    EventChange events = {.items = items};
    int64_t now = clock_wall_us(&clock_system), start = clock_monotonic_us(&clock_system), spent = 0, last_spent = 0;
    double last_cpu = cpu_seconds();
    for (uint64_t done = 0; done < total; done += batch) {
        for (uint64_t i = 0; i < batch; i++) {
            int64_t at = days ? now - (int64_t)((shuffled ? next_random() % total : total - done) *
                                                (days * UINT64_C(86400000000) / total))
                              : now;
            make_record(&records[i], &slots[i], flows, at, store_info(store));
        }
        Work work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .count = batch}};
        if (raw_bytes) {
            make_events(items, records, batch, raw_bytes, now);
            work.records.events = &events;
        }
        bool more = false;
        int64_t before = clock_monotonic_us(&clock_system);
        if (store_apply(store, &work, &error) != STATUS_OK ||
            store_maintain(store, false, &more, &error) != STATUS_OK) {
            fprintf(stderr, "%s\n", error.message);
            return 1;
        }
        spent += clock_monotonic_us(&clock_system) - before;
        if ((done + batch) / 1000000 != done / 1000000) {
            double cpu = cpu_seconds();
            printf("%4" PRIu64 " M: %.0f records/s in the store, %.2f us CPU a record in all\n",
                   (done + batch) / 1000000, 1e12 / (double)(spent - last_spent), cpu - last_cpu);
            fflush(stdout);
            last_spent = spent;
            last_cpu = cpu;
        }
    }
    StoreMetrics metrics;
    store_metrics(store, &metrics);
    printf("%.0f records/s in the store over %.1f s; runs %" PRId64 " %" PRId64 " %" PRId64 "; cache hits %" PRId64
           " misses %" PRId64 "; checkpoints %" PRId64 "\n",
           1e6 * (double)total / (double)spent, (double)(clock_monotonic_us(&clock_system) - start) / 1e6,
           metrics.runs_ids, metrics.runs_flows, metrics.runs_times, metrics.flow_cache_hits, metrics.flow_cache_misses,
           metrics.checkpoints);
    store_close(store);
    free(records);
    free(slots);
    free(outcomes);
    free(items);
    return 0;
}
