#include "query/lister.h"

#include <stdlib.h>

enum {
    HEAP_PLACES_MAX = 65536,
    WALK_ROWS_MIN = 8192,   /* so many rows are walked before a scan is thought of */
    WALK_ROW_COST = 8,      /* a row fetched by its place costs as much as so many scanned */
    CHAIN_ROWS_MAX = 16384, /* a flow with more of them is walked */
    SELECTIVE = 16,         /* a filter that picks fewer than one row in so many is selective */
};

void lister_init(Lister *lister, const Filter *filter, bool descending, int64_t bound, uint64_t limit,
                 const TimePosition *at)
{
    /* Sequences begin at 1, so that place 0 is before, and INT64_MAX behind, every record of its instant. */
    TimePosition first = {filter->start_us, 0}, last = {filter->end_us, INT64_MAX};
    *lister = (Lister){.filter = filter,
                       .descending = descending,
                       .bound = bound,
                       .at = at           ? *at
                             : descending ? last
                                          : first,
                       .end = descending ? first : last,
                       .left = limit};
}

void lister_release(Lister *lister)
{
    free(lister->heap.places);
    lister->heap = (PlaceHeap){0};
}

/* Whether a comes before b in the list's order. */
static bool comes_before(const Lister *lister, TimePosition a, TimePosition b)
{
    bool earlier = a.time_us != b.time_us ? a.time_us < b.time_us : a.seq < b.seq;
    bool same = a.time_us == b.time_us && a.seq == b.seq;
    return !same && earlier != lister->descending;
}

/* ---- The walk ---------------------------------------------------------------------------------------------------- */

/* One lister_step: what its visitors need. */
typedef struct Listing {
    Lister *lister;
    QueryStep *step;
    RecordVisitor *put;
    void *context;
    bool stopped;
} Listing;

static bool worth_weighing(const Lister *lister)
{
    return lister->examined >= WALK_ROWS_MIN && lister->examined >= (uint64_t)lister->bound / WALK_ROW_COST &&
           lister->matched <= HEAP_PLACES_MAX && lister->matched <= lister->examined / SELECTIVE;
}

/* Hands a match out; false when the list is full, and then `at` stays before the record, where the next page goes
 * on. */
static bool hand_out(Listing *listing, const StoredRecord *stored)
{
    Lister *lister = listing->lister;
    if (lister->left == 0) {
        lister->more = true;
        lister->state = LISTER_DONE;
        listing->stopped = true;
        return false;
    }
    lister->left -= lister->left != LISTER_NO_LIMIT;
    lister->at = (TimePosition){stored->record.time_us, stored->seq};
    listing->stopped = !listing->put(listing->context, stored);
    return true;
}

static bool visit_walked(void *context, const StoredRecord *stored)
{
    Listing *listing = context;
    Lister *lister = listing->lister;
    lister->examined++;
    if (stored->seq <= lister->bound && filter_takes(lister->filter, stored)) {
        lister->matched++;
        if (!hand_out(listing, stored)) {
            return false;
        }
    } else {
        lister->at = (TimePosition){stored->record.time_us, stored->seq};
    }
    listing->stopped |= step_is_over(listing->step) || worth_weighing(lister);
    return !listing->stopped;
}

static bool make_heap(Lister *lister)
{
    size_t cap = lister->left < HEAP_PLACES_MAX ? (size_t)lister->left + 1 : HEAP_PLACES_MAX;
    if (!lister->heap.places) {
        lister->heap.places = malloc(cap * sizeof lister->heap.places[0]);
    }
    if (!lister->heap.places) {
        return false;
    }
    lister->heap.cap = cap;
    lister->heap.count = 0;
    lister->found = 0;
    return true;
}

/* How many rows a walk to the end would fetch, about. */
static uint64_t rows_to_walk(const Lister *lister, const StoreView *view)
{
    TimePosition from = lister->descending ? lister->end : lister->at,
                 to = lister->descending ? lister->at : lister->end;
    return view_estimate_times(view, from, to);
}

/* Changes over to a scan when what is left to walk costs more. Without memory for it the walk goes on. */
static void weigh(Lister *lister, const StoreView *view)
{
    bool scan = rows_to_walk(lister, view) > (uint64_t)lister->bound / WALK_ROW_COST;
    lister->examined = lister->matched = 0;
    if (scan && make_heap(lister)) {
        lister->scanned = 0;
        lister->state = LISTER_SCAN;
    }
}

static Status walk(Listing *listing, Error *reterr)
{
    Lister *lister = listing->lister;
    if (!comes_before(lister, lister->at, lister->end)) {
        lister->state = LISTER_DONE;
        return STATUS_OK;
    }
    uint32_t fields = filter_fields(lister->filter) | FIELD_ALL;
    Status status = reader_walk_times(listing->step->reader, lister->at, lister->end, INT64_MAX, fields, visit_walked,
                                      listing, reterr);
    if (status != STATUS_OK || lister->state == LISTER_DONE) {
        return status;
    }
    if (!listing->stopped) {
        lister->state = LISTER_DONE;
    } else if (worth_weighing(lister)) {
        weigh(lister, listing->step->view);
    }
    return STATUS_OK;
}

/* ---- The scan ---------------------------------------------------------------------------------------------------- */

static void sift_down(const Lister *lister, PlaceHeap *heap, size_t at)
{
    for (;;) {
        size_t largest = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap->count; child++) {
            if (comes_before(lister, heap->places[largest], heap->places[child])) {
                largest = child;
            }
        }
        if (largest == at) {
            return;
        }
        TimePosition swap = heap->places[at];
        heap->places[at] = heap->places[largest];
        heap->places[largest] = swap;
        at = largest;
    }
}

static void keep_place(Lister *lister, TimePosition place)
{
    PlaceHeap *heap = &lister->heap;
    if (heap->count == heap->cap) {
        if (comes_before(lister, place, heap->places[0])) {
            heap->places[0] = place;
            sift_down(lister, heap, 0);
        }
        return;
    }
    size_t at = heap->count++;
    for (; at > 0 && comes_before(lister, heap->places[(at - 1) / 2], place); at = (at - 1) / 2) {
        heap->places[at] = heap->places[(at - 1) / 2];
    }
    heap->places[at] = place;
}

static void keep_match(Lister *lister, const StoredRecord *stored)
{
    TimePosition place = {stored->record.time_us, stored->seq};
    if (stored->seq <= lister->bound && comes_before(lister, lister->at, place) &&
        filter_takes(lister->filter, stored)) {
        lister->found++;
        keep_place(lister, place);
    }
}

static bool visit_scanned(void *context, const StoredRecord *stored)
{
    Listing *listing = context;
    Lister *lister = listing->lister;
    lister->scanned = stored->seq;
    keep_match(lister, stored);
    listing->stopped = step_is_over(listing->step);
    return !listing->stopped;
}

/* A heap with the last place on top becomes the list in order, as in heapsort. */
static void sort_heap(const Lister *lister, PlaceHeap *heap)
{
    size_t count = heap->count;
    while (heap->count > 1) {
        TimePosition last = heap->places[0];
        heap->places[0] = heap->places[--heap->count];
        sift_down(lister, heap, 0);
        heap->places[heap->count] = last;
    }
    heap->count = count;
}

static void begin_fetch(Lister *lister)
{
    sort_heap(lister, &lister->heap);
    lister->fetched = 0;
    lister->state = LISTER_FETCH;
}

static Status scan(Listing *listing, Error *reterr)
{
    Lister *lister = listing->lister;
    uint32_t fields = filter_fields(lister->filter) | FIELD_TIME;
    Status status =
        reader_scan(listing->step->reader, lister->scanned, lister->bound, fields, visit_scanned, listing, reterr);
    if (status == STATUS_OK && !listing->stopped) {
        begin_fetch(lister);
    }
    return status;
}

/* ---- The chain --------------------------------------------------------------------------------------------------- */

/* A walk comes upon the page's records when it has gone through their share of the rows. */
static bool is_worth_chaining(const Lister *lister, const StoreView *view, uint64_t count)
{
    uint64_t page = lister->left < count ? lister->left : count;
    return count <= CHAIN_ROWS_MAX && count * count <= page * rows_to_walk(lister, view);
}

static bool visit_newest(void *context, const StoredRecord *stored)
{
    Listing *listing = context;
    Lister *lister = listing->lister;
    uint64_t count = (uint64_t)flow_totals_count(&stored->totals);
    if (is_worth_chaining(lister, listing->step->view, count) && make_heap(lister)) {
        lister->chained = stored->seq;
        lister->state = LISTER_CHAIN;
    }
    return true;
}

static Status begin(Listing *listing, Error *reterr)
{
    Lister *lister = listing->lister;
    const Filter *filter = lister->filter;
    int64_t newest = 0;
    lister->state = LISTER_WALK;
    if (!filter->destination_id.len || !filter->reference.len || !filter->unit.len || filter->events) {
        return STATUS_OK; /* a chain does not tell which of its records were events */
    }
    Status status = reader_find_flow(listing->step->reader, filter->destination_id, filter->reference, filter->unit,
                                     &newest, reterr);
    if (status == STATUS_OK && newest == 0) {
        lister->state = LISTER_DONE;
        return STATUS_OK;
    }
    if (status != STATUS_OK || newest == FLOW_UNTOLD) {
        return status;
    }
    return reader_get(listing->step->reader, newest, visit_newest, listing, reterr);
}

static bool visit_chained(void *context, const StoredRecord *stored)
{
    Lister *lister = ((Listing *)context)->lister;
    keep_match(lister, stored);
    lister->chained = stored->prev_seq;
    return true;
}

/* A row that is damaged must not send us round in circles. */
static Status get_chained(Listing *listing, Error *reterr)
{
    Lister *lister = listing->lister;
    int64_t seq = lister->chained;
    Status status = reader_get(listing->step->reader, seq, visit_chained, listing, reterr);
    if (status == STATUS_OK && (lister->chained < 0 || lister->chained >= seq)) {
        status = error_set(reterr, STATUS_BROKEN, "the log says that record %lld follows record %lld in its flow",
                           (long long)seq, (long long)lister->chained);
    }
    return status;
}

static Status chain(Listing *listing, Error *reterr)
{
    Lister *lister = listing->lister;
    Status status = STATUS_OK;
    while (status == STATUS_OK && lister->chained > 0 && !listing->stopped) {
        status = get_chained(listing, reterr);
        if (status == STATUS_REFUSED) {
            /* Retention has removed it, and so all before it. */
            lister->chained = 0;
            status = STATUS_OK;
        }
        listing->stopped = step_is_over(listing->step);
    }
    if (status == STATUS_OK && lister->chained == 0) {
        begin_fetch(lister);
    }
    return status;
}

/* ---- Records found by a scan or the chain ------------------------------------------------------------------------ */

static bool visit_fetched(void *context, const StoredRecord *stored)
{
    hand_out(context, stored);
    return true;
}

/* Fetches the places that were found; when there were more than it had room for, the walk goes on behind them. */
static Status fetch(Listing *listing, Error *reterr)
{
    Lister *lister = listing->lister;
    while (lister->fetched < lister->heap.count && !listing->stopped) {
        int64_t seq = lister->heap.places[lister->fetched].seq;
        Status status = reader_get(listing->step->reader, seq, visit_fetched, listing, reterr);
        /* A row that is gone was removed by retention since the scan. */
        if (status != STATUS_OK && status != STATUS_REFUSED) {
            return status;
        }
        lister->fetched++;
        listing->stopped |= step_is_over(listing->step);
    }
    if (lister->state == LISTER_FETCH && lister->fetched == lister->heap.count) {
        lister->state = lister->found > lister->heap.count ? LISTER_WALK : LISTER_DONE;
    }
    return STATUS_OK;
}

Status lister_step(Lister *lister, QueryStep *step, RecordVisitor *put, void *context, bool *ret_done, Error *reterr)
{
    Listing listing = {.lister = lister, .step = step, .put = put, .context = context};
    Status status = step_look(step, reterr);
    while (status == STATUS_OK && lister->state != LISTER_DONE && !listing.stopped) {
        switch (lister->state) {
        case LISTER_BEGIN: status = begin(&listing, reterr); break;
        case LISTER_CHAIN: status = chain(&listing, reterr); break;
        case LISTER_WALK: status = walk(&listing, reterr); break;
        case LISTER_SCAN: status = scan(&listing, reterr); break;
        default: status = fetch(&listing, reterr); break;
        }
    }
    *ret_done = lister->state == LISTER_DONE;
    return status;
}
