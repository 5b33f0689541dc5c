#include "sim/outcome_words.h"

#include <inttypes.h>

static const char *kind_name(OutcomeKind kind)
{
    static const char *const names[] = {"nothing", "created", "duplicate", "conflict", "rejected"};
    return names[kind];
}

void outcome_put(const Outcome *outcome, char *ret_text, size_t room)
{
    char seq[32] = "without a seq";
    if (outcome->seq) {
        snprintf(seq, sizeof seq, "seq %" PRId64, outcome->seq);
    }
    int len = snprintf(ret_text, room, "%s, %s", kind_name(outcome->kind), seq);
    for (size_t i = 0; i < RECORD_FIELD_COUNT; i++) {
        if (outcome->differs & 1u << i) {
            len += snprintf(ret_text + len, room - (size_t)len, ", other %s", record_field_names[i]);
        }
    }
}

void outcome_tell_conflicts(Story *story, const Outcome *outcomes, size_t count)
{
    size_t conflicts = 0;
    for (size_t i = 0; i < count && story_is_full(story); i++) {
        if (outcomes[i].kind == OUTCOME_CONFLICT && conflicts++ < STORY_ITEMS_MAX) {
            char line[320], text[256];
            outcome_put(&outcomes[i], text, sizeof text);
            snprintf(line, sizeof line, "record %zu: %s", i + 1, text);
            story_detail(story, line);
        }
    }
    story_rest(story, conflicts > STORY_ITEMS_MAX ? conflicts - STORY_ITEMS_MAX : 0);
}
