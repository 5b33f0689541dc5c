#include "base/budget.h"

static size_t add(Budget *budget, size_t bytes)
{
    return atomic_fetch_add_explicit(&budget->taken, bytes, memory_order_relaxed);
}

static void subtract(Budget *budget, size_t bytes)
{
    atomic_fetch_sub_explicit(&budget->taken, bytes, memory_order_relaxed);
}

static bool fits(const Budget *budget, size_t before, size_t bytes)
{
    return before <= budget->bytes_max && bytes <= budget->bytes_max - before;
}

/* `had` is what the asking part had; more when it asks on several threads at once. */
static bool take_of_whole(Budget *whole, size_t had, size_t bytes)
{
    size_t before = add(whole, bytes);
    bool is_alone = before <= had;
    if (!is_alone && !fits(whole, before, bytes)) {
        /* Taken back at once, so that one that is refused does not make others look too many. */
        subtract(whole, bytes);
        return false;
    }
    return true;
}

bool budget_take(Budget *budget, size_t bytes)
{
    if (!budget || bytes == 0) {
        return true;
    }
    size_t before = add(budget, bytes);
    bool taken = budget->whole ? take_of_whole(budget->whole, before, bytes) : fits(budget, before, bytes);
    if (!taken) {
        subtract(budget, bytes);
    }
    return taken;
}

void budget_give_back(Budget *budget, size_t bytes)
{
    if (budget && bytes > 0) {
        subtract(budget, bytes);
        if (budget->whole) {
            subtract(budget->whole, bytes);
        }
    }
}
