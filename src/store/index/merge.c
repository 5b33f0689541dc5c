/* Merging: each input is read in pieces of several blocks, a tree of losers finds the smallest head, and what is kept
 * goes to the writer in bulk. */
#include "store/index/merge.h"
#include "store/index/run_format.h"

#include <assert.h>
#include <stdlib.h>

enum { INPUT_BLOCKS = 16, OUTPUT_PAIRS = 512 };

typedef struct MergeInput {
    Run *run;                  /* one reference */
    RunBlock *blocks;          /* INPUT_BLOCKS of them: read ahead */
    size_t loaded, next;       /* blocks in memory; the one to be taken next */
    uint64_t next_block;       /* of the run, to be read next */
    const IndexPair *at, *end; /* in the block at hand */
} MergeInput;

/* An input in the tree, with its next pair: the largest pair there can be when it is at its end. */
typedef struct Player {
    unsigned __int128 head; /* the pair as one number: key, then value */
    uint64_t input;
} Player;

struct Merge {
    MergeInput inputs[MERGE_INPUTS_MAX];
    size_t count; /* of inputs */
    size_t live;  /* of inputs that are not at their end */
    MergeKeep keep;
    RunWriter *writer; /* NULL when finished or failed */
    /* tree[0] has the smallest head, tree[1 … count-1] are the losers of the matches on the way to it. */
    Player tree[MERGE_INPUTS_MAX];
    bool has_last; /* `last` was taken from an input and waits: with MERGE_KEEP_NEWEST, for the next key */
    IndexPair last;
    size_t waiting; /* pairs in `output` */
    IndexPair output[OUTPUT_PAIRS];
};

static bool input_is_live(const MergeInput *input) { return input->at != NULL; }

static Status input_load(MergeInput *input, Error *reterr)
{
    uint64_t left = run_block_count(input->run) - input->next_block;
    size_t count = left < INPUT_BLOCKS ? (size_t)left : INPUT_BLOCKS;
    input->next = input->loaded = 0;
    if (count == 0) {
        return STATUS_OK;
    }
    Status status = run_read_blocks(input->run, input->next_block, count, input->blocks, reterr);
    if (status == STATUS_OK) {
        input->next_block += count;
        input->loaded = count;
    }
    return status;
}

/* Goes to the next block; at the end of the run `at` becomes NULL. */
static Status input_turn(MergeInput *input, Error *reterr)
{
    input->at = input->end = NULL;
    if (input->next == input->loaded) {
        Status status = input_load(input, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (input->next < input->loaded) {
        const RunBlock *block = &input->blocks[input->next++];
        input->at = block->pairs;
        input->end = block->pairs + block->count;
    }
    return STATUS_OK;
}

static Status merge_begin_input(Merge *merge, size_t i, Run *run, Error *reterr)
{
    MergeInput *input = &merge->inputs[i];
    input->run = run_keep(run);
    merge->count = i + 1;
    input->blocks = aligned_alloc(RUN_BLOCK_BYTES, INPUT_BLOCKS * sizeof *input->blocks);
    if (!input->blocks) {
        return error_set(reterr, STATUS_BUSY, "out of memory for a merge");
    }
    Status status = input_turn(input, reterr);
    if (status == STATUS_OK) {
        merge->live += input_is_live(input);
    }
    return status;
}

static Player player_of(const Merge *merge, size_t input)
{
    const IndexPair *at = merge->inputs[input].at;
    return (Player){at ? (unsigned __int128)at->key << 64 | at->value : ~(unsigned __int128)0, input};
}

/* Puts the smaller head first; without a branch, since which of two hashes is smaller cannot be foretold. */
static inline void players_order(Player *first, Player *second)
{
    uint64_t mask = -(uint64_t)(second->head < first->head);
    unsigned __int128 head = (first->head ^ second->head) & ((unsigned __int128)mask << 64 | mask);
    uint64_t input = (first->input ^ second->input) & mask;
    *first = (Player){first->head ^ head, first->input ^ input};
    *second = (Player){second->head ^ head, second->input ^ input};
}

/* The player plays its way up from its leaf: the smaller head goes on, the loser stays. */
static inline void merge_replay(Merge *merge, Player player)
{
    for (size_t node = (player.input + merge->count) / 2; node > 0; node /= 2) {
        players_order(&player, &merge->tree[node]);
    }
    merge->tree[0] = player;
}

/* All matches, from the leaves up. */
static void merge_play(Merge *merge)
{
    Player winners[2 * MERGE_INPUTS_MAX];
    for (size_t i = 0; i < merge->count; i++) {
        winners[merge->count + i] = player_of(merge, i);
    }
    for (size_t node = merge->count - 1; node > 0; node--) {
        winners[node] = winners[2 * node];
        merge->tree[node] = winners[2 * node + 1];
        players_order(&winners[node], &merge->tree[node]);
    }
    merge->tree[0] = winners[1];
}

static Status merge_begin(Merge *merge, const Io *io, Run *const *inputs, size_t count, const char *path,
                          const RunStamp *stamp, unsigned filter_bits, Error *reterr)
{
    uint64_t expected = 0;
    for (size_t i = 0; i < count; i++) {
        Status status = merge_begin_input(merge, i, inputs[i], reterr);
        if (status != STATUS_OK) {
            return status;
        }
        expected += run_count(inputs[i]);
    }
    merge_play(merge);
    return run_writer_open(io, path, stamp, expected, filter_bits, &merge->writer, reterr);
}

Status merge_open(const Io *io, Run *const *inputs, size_t count, MergeKeep keep, const char *path,
                  const RunStamp *stamp, unsigned filter_bits, Merge **ret_merge, Error *reterr)
{
    assert(count >= 2 && count <= MERGE_INPUTS_MAX);
    Merge *merge = calloc(1, sizeof *merge);
    if (!merge) {
        return error_set(reterr, STATUS_BUSY, "out of memory for a merge");
    }
    merge->keep = keep;
    Status status = merge_begin(merge, io, inputs, count, path, stamp, filter_bits, reterr);
    if (status != STATUS_OK) {
        merge_free(merge);
        return status;
    }
    *ret_merge = merge;
    return STATUS_OK;
}

void merge_free(Merge *merge)
{
    if (!merge) {
        return;
    }
    for (size_t i = 0; i < merge->count; i++) {
        run_drop(merge->inputs[i].run);
        free(merge->inputs[i].blocks);
    }
    run_writer_abandon(merge->writer);
    free(merge);
}

static Status merge_flush(Merge *merge, Error *reterr)
{
    size_t count = merge->waiting;
    merge->waiting = 0;
    return run_writer_add(merge->writer, merge->output, count, reterr);
}

/* The smallest head is taken; the one before it is now known to be kept or not. */
static inline Status merge_take(Merge *merge, const Run *run, IndexPair pair, Error *reterr)
{
    if (merge->has_last) {
        if (!index_pair_before(merge->last, pair)) {
            bool equal = merge->last.key == pair.key && merge->last.value == pair.value;
            return equal ? STATUS_OK
                         : error_set(reterr, STATUS_BROKEN, "%s: its pairs are out of order", run_path(run));
        }
        if (merge->keep == MERGE_KEEP_ALL || merge->last.key != pair.key) {
            merge->output[merge->waiting++] = merge->last;
        }
    }
    merge->last = pair;
    merge->has_last = true;
    return merge->waiting == OUTPUT_PAIRS ? merge_flush(merge, reterr) : STATUS_OK;
}

/* The input whose head is smallest. One at its end stands for the largest pair there can be, so it wins only when that
 * pair is all that the others still hold; then any of them is right, whatever the tree says from there on. */
static size_t merge_winner(const Merge *merge)
{
    size_t winner = merge->tree[0].input;
    for (size_t i = 0; !input_is_live(&merge->inputs[winner]); i++) {
        winner = i;
    }
    return winner;
}

static Status merge_move(Merge *merge, Error *reterr)
{
    size_t winner = merge_winner(merge);
    MergeInput *input = &merge->inputs[winner];
    Status status = merge_take(merge, input->run, *input->at, reterr);
    if (status == STATUS_OK && ++input->at == input->end) {
        status = input_turn(input, reterr);
        merge->live -= !input_is_live(input);
    }
    merge_replay(merge, player_of(merge, winner));
    return status;
}

static Status merge_finish(Merge *merge, Error *reterr)
{
    if (merge->has_last) {
        merge->output[merge->waiting++] = merge->last;
    }
    Status status = merge_flush(merge, reterr);
    if (status == STATUS_OK) {
        RunWriter *writer = merge->writer;
        merge->writer = NULL;
        status = run_writer_finish(writer, reterr);
    }
    return status;
}

Status merge_step(Merge *merge, size_t pairs, bool *ret_done, Error *reterr)
{
    assert(merge->writer);
    Status status = STATUS_OK;
    for (size_t moved = 0; status == STATUS_OK && merge->live > 0 && (moved == 0 || moved < pairs); moved++) {
        status = merge_move(merge, reterr);
    }
    bool done = merge->live == 0;
    if (status == STATUS_OK && done) {
        status = merge_finish(merge, reterr);
    }
    if (status == STATUS_OK) {
        *ret_done = done;
    } else {
        run_writer_abandon(merge->writer);
        merge->writer = NULL;
    }
    return status;
}
