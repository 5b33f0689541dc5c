#include "deliver/sign.h"
#include "unit.h"

/* Of the specification's own libraries' tests. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER  "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

static Signer *signer_of(const char *secrets)
{
    Signer *signer = NULL;
    Error error = {0};
    if (signer_new(str_from(secrets), &signer, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return signer;
}

static void check_signature(const char *secrets, const char *id, int64_t timestamp_s, const char *body,
                            const char *expected)
{
    Signer *signer = signer_of(secrets);
    char text[SIGN_TEXT_BYTES_MAX];
    Error error;
    for (int i = 0; i < 2; i++) { /* the second time as the first */
        assert_int_equal(signer_sign(signer, str_from(id), timestamp_s, str_from(body), text, &error), STATUS_OK);
        assert_string_equal(text, expected);
    }
    signer_free(signer);
}

static void test_known_vectors(void **state)
{
    (void)state;
    check_signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}",
                    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    check_signature(OTHER, "msg_2b83LQyQy9Fw1zXnWgXEsQJmYGg", 1649367553,
                    "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
                    "v1,i0s1HEsDjvhd8eXeFSOVlVCQcCFxH4BCOZZsAD1AAUk=");
}

static void test_two_secrets(void **state)
{
    (void)state;
    /* Each as it is alone, in the order of the configuration. */
    check_signature(SECRET ", " OTHER, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}",
                    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "
                    "v1,78nXHjpFP0tVJQW5D0SBwmVyyW87BV/rL6MgfM/Bw44=");
}

static void check_refused(const char *secrets, const char *problem)
{
    Signer *signer = NULL;
    Error error = {0};
    assert_int_equal(signer_new(str_from(secrets), &signer, &error), STATUS_REFUSED);
    assert_string_equal(error.message, problem);
    assert_null(signer);
}

static void test_secrets_that_are_refused(void **state)
{
    (void)state;
    const char *no_prefix = "has a secret that does not begin with whsec_";
    const char *no_base64 = "has a secret that is no base64 after whsec_";
    const char *length = "has a secret whose key is not 24 to 64 bytes long";
    check_refused("", "is empty");
    check_refused(" \t", "is empty");
    check_refused("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", no_prefix);
    check_refused(SECRET ",", no_prefix);
    check_refused("," SECRET, no_prefix);
    check_refused(SECRET ";" SECRET, no_base64);
    check_refused("whsec_", no_base64);
    check_refused("whsec_====", no_base64);
    check_refused("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", no_base64);  /* one is missing */
    check_refused("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-", no_base64); /* the alphabet of URLs */
    check_refused("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa\nw", no_base64);
    check_refused("whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", no_base64);
    check_refused("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAB==", no_base64); /* bits behind the end */
    check_refused("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaR=", no_base64);
    check_refused("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ=", length); /* 23 bytes */
    check_refused("whsec_AAAA", length);
    check_refused(SECRET "," OTHER "," SECRET, "has more than 2 secrets");
    /* 65 bytes, and far more than that. */
    check_refused("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                  length);
    char long_one[1024] = "whsec_";
    memset(long_one + 6, 'A', sizeof long_one - 7);
    check_refused(long_one, length);
}

static void check_key(size_t bytes, const char *encoded)
{
    char secrets[256];
    Signer *signer = NULL;
    Error error = {0};
    snprintf(secrets, sizeof secrets, "whsec_%s", encoded);
    Status status = signer_new(str_from(secrets), &signer, &error);
    assert_int_equal(status, bytes >= SIGN_KEY_BYTES_MIN && bytes <= SIGN_KEY_BYTES_MAX ? STATUS_OK : STATUS_REFUSED);
    signer_free(signer);
}

/* Keys of 1 … 70 zeros. */
static void test_lengths_of_keys(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes <= 70; bytes++) {
        char encoded[128];
        size_t len = (bytes + 2) / 3 * 4;
        memset(encoded, 'A', len);
        memset(encoded + len - (3 - bytes % 3) % 3, '=', (3 - bytes % 3) % 3);
        encoded[len] = '\0';
        check_key(bytes, encoded);
    }
}

/* What is wrong is told, the secret never is. */
static void test_errors_keep_the_secret(void **state)
{
    (void)state;
    static const char *const wrong[] = {"whsec_c2VjcmV0", "c2VjcmV0",
                                        "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0!"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        Signer *signer;
        Error error = {0};
        assert_int_equal(signer_new(str_from(wrong[i]), &signer, &error), STATUS_REFUSED);
        assert_null(strstr(error.message, "c2Vj"));
    }
}

static void test_odd_messages(void **state)
{
    (void)state;
    Signer *signer = signer_of(SECRET);
    char text[SIGN_TEXT_BYTES_MAX], other[SIGN_TEXT_BYTES_MAX], id[300];
    Error error = {0};
    assert_int_equal(signer_sign(signer, STR("id"), 1, STR("a\0b"), text, &error), STATUS_OK);
    assert_int_equal(signer_sign(signer, STR("id"), 1, STR("a\0c"), other, &error), STATUS_OK);
    assert_string_not_equal(text, other);
    assert_int_equal(signer_sign(signer, STR("id"), 1, (Str){NULL, 0}, text, &error), STATUS_OK);
    memset(id, 'x', sizeof id);
    assert_int_equal(signer_sign(signer, (Str){id, sizeof id}, 1, STR(""), text, &error), STATUS_REFUSED);
    signer_free(signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_vectors),
        cmocka_unit_test(test_two_secrets),
        cmocka_unit_test(test_secrets_that_are_refused),
        cmocka_unit_test(test_lengths_of_keys),
        cmocka_unit_test(test_errors_keep_the_secret),
        cmocka_unit_test(test_odd_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
