/* What a lease that was given, or refused, says about who writes. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "intake/drop_writers.h"

/* statfs(2) */
#define EXT4 0xEF53L
#define FUSE 0x65735546L
#define NFS  0x6969L
#define CIFS 0xFF534D42L
#define SMB2 0xFE534D42L

static void test_judge(void **state)
{
    (void)state;
    static const struct {
        int error;
        long file_system;
        DropWriters expected;
    } cases[] = {
        {0, EXT4, DROP_WRITERS_NONE},
        {0, NFS, DROP_WRITERS_NONE},
        {EAGAIN, EXT4, DROP_WRITERS_SOME},
        {EAGAIN, FUSE, DROP_WRITERS_SOME},
        {EAGAIN, 0, DROP_WRITERS_SOME},
        {EAGAIN, NFS, DROP_WRITERS_UNKNOWN},
        {EAGAIN, CIFS, DROP_WRITERS_UNKNOWN},
        {EAGAIN, SMB2, DROP_WRITERS_UNKNOWN},
        {EAGAIN, (int32_t)CIFS, DROP_WRITERS_UNKNOWN},
        {EACCES, EXT4, DROP_WRITERS_UNKNOWN},
        {EINVAL, NFS, DROP_WRITERS_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(drop_writers_judge(cases[i].error, cases[i].file_system), cases[i].expected);
    }
}

static void test_find(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-test-XXXXXX";
    int writer = mkstemp(path), reader = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(writer >= 0 && reader >= 0);
    assert_int_equal(drop_writers_find(reader), DROP_WRITERS_SOME);
    close(writer);
    assert_int_equal(drop_writers_find(reader), DROP_WRITERS_NONE);
    close(reader);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests_name("drop_writers", tests, NULL, NULL);
}
