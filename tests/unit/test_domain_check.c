/* Looking domains up, with a resolver that does what the test says. */
#include "unit.h"

#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "onboard/domain_check.h"

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found);
void __wrap_freeaddrinfo(struct addrinfo *found);

static sem_t entered, stuck, left;
static atomic_int freed;
static struct addrinfo some_address;

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    static const struct {
        const char *name;
        int code;
    } names[] = {{"there.example.", 0},
                 {"mail-only.example.", EAI_NODATA},
                 {"absent.example.", EAI_NONAME},
                 {"ill.example.", EAI_AGAIN}};
    (void)service, (void)hints;
    if (strcmp(name, "stuck.example.") == 0) {
        sem_post(&entered);
        sem_wait(&stuck);
        sem_post(&left);
        return EAI_AGAIN;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i].name) == 0) {
            *found = names[i].code == 0 ? &some_address : NULL;
            return names[i].code;
        }
    }
    return EAI_FAIL;
}

void __wrap_freeaddrinfo(struct addrinfo *found) { freed += found == &some_address; }

static void count_wake(void *self) { sem_post(self); }

typedef struct Asking {
    sem_t woken;
    DomainCheck *check;
} Asking;

static int setup(void **state)
{
    static Asking asking;
    Error error = {0};
    sem_init(&entered, 0, 0);
    sem_init(&stuck, 0, 0);
    sem_init(&left, 0, 0);
    sem_init(&asking.woken, 0, 0);
    const DomainCheckOptions options = {.threads = 3, .wake = count_wake, .self = &asking.woken};
    assert_int_equal(domain_check_open(&options, &asking.check, &error), STATUS_OK);
    *state = &asking;
    return 0;
}

static int teardown(void **state)
{
    Asking *asking = *state;
    domain_check_close(asking->check);
    asking->check = NULL;
    return 0;
}

static DomainAnswer ask(Asking *asking, int64_t question, const char *domain)
{
    DomainAnswer answers[4] = {0};
    asking->check->ops->ask(asking->check, question, str_from(domain));
    sem_wait(&asking->woken);
    assert_int_equal(asking->check->ops->answers(asking->check, answers, 4), 1);
    assert_int_equal(answers[0].question, question);
    return answers[0];
}

static void test_verdicts(void **state)
{
    Asking *asking = *state;
    assert_int_equal(ask(asking, 1, "there.example").verdict, DOMAIN_THERE);
    assert_int_equal(freed, 1);
    assert_int_equal(ask(asking, 2, "mail-only.example").verdict, DOMAIN_THERE);
    assert_int_equal(ask(asking, 3, "absent.example").verdict, DOMAIN_ABSENT);
    DomainAnswer ill = ask(asking, 4, "ill.example"), unknown = ask(asking, 5, "other.example");
    assert_int_equal(ill.verdict, DOMAIN_UNSURE);
    assert_string_equal(ill.error, gai_strerror(EAI_AGAIN));
    assert_int_equal(unknown.verdict, DOMAIN_UNSURE);
}

static void test_room(void **state)
{
    Asking *asking = *state;
    DomainCheck *check = asking->check;
    DomainAnswer answers[4];
    assert_int_equal(check->ops->room(check), 3);
    check->ops->ask(check, 1, STR("stuck.example"));
    check->ops->ask(check, 2, STR("stuck.example"));
    assert_int_equal(check->ops->room(check), 1);
    assert_int_equal(ask(asking, 3, "there.example").verdict, DOMAIN_THERE); /* it overtakes them */
    assert_int_equal(check->ops->room(check), 1);
    assert_int_equal(check->ops->answers(check, answers, 4), 0);
    sem_post(&stuck);
    sem_post(&stuck);
    sem_wait(&asking->woken);
    sem_wait(&asking->woken);
    assert_int_equal(check->ops->answers(check, answers, 1), 1);
    assert_int_equal(check->ops->answers(check, answers, 4), 1);
    assert_int_equal(check->ops->room(check), 3);
}

/* Whoever is in the middle of it finds out later that nobody wants to know, and nobody is woken. */
static void test_close_waits_for_nobody(void **state)
{
    Asking *asking = *state;
    int wakes = -1;
    asking->check->ops->ask(asking->check, 1, STR("stuck.example"));
    asking->check->ops->ask(asking->check, 2, STR("stuck.example"));
    sem_wait(&entered);
    sem_wait(&entered);
    domain_check_close(asking->check);
    asking->check = NULL;
    sem_post(&stuck);
    sem_post(&stuck);
    sem_wait(&left);
    sem_wait(&left);
    sem_getvalue(&asking->woken, &wakes);
    assert_int_equal(wakes, 0);
}

static void test_the_longest_name(void **state)
{
    Asking *asking = *state;
    char name[DOMAIN_BYTES_MAX + 1];
    memset(name, 'a', DOMAIN_BYTES_MAX);
    name[DOMAIN_BYTES_MAX] = '\0';
    assert_int_equal(ask(asking, 1, name).verdict, DOMAIN_UNSURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verdicts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_waits_for_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_longest_name, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
