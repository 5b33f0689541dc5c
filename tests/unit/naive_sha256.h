/* SHA-256 as FIPS 180-4 reads, which shares nothing with the library that the program uses: naive_sha256() of a text of
 * at most NAIVE_SHA256_TEXT_BYTES_MAX bytes. Slow. */
#ifndef WEIR_TESTS_NAIVE_SHA256_H
#define WEIR_TESTS_NAIVE_SHA256_H

#include "base/str.h"

enum { NAIVE_SHA256_BYTES = 32, NAIVE_SHA256_TEXT_BYTES_MAX = 1 << 13 };

static uint32_t rotate(uint32_t x, unsigned by) { return x >> by | x << (32 - by); }

/* The first 32 bits of the fraction of the n-th root of a prime, in integers: the largest r with r^n ≤ p × 2^(32 n). */
static uint32_t root_fraction(uint64_t prime, unsigned n)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 37; bit > 0; bit >>= 1) {
        unsigned __int128 r = root | bit, whole = r * r;
        /* r^3 may have 111 bits, p × 2^96 has 105: both fit. */
        bool fits = n == 2 ? whole <= (unsigned __int128)prime << 64 : whole * r <= (unsigned __int128)prime << 96;
        root |= fits ? bit : 0;
    }
    return (uint32_t)root;
}

static void constants(uint32_t ret_k[64], uint32_t ret_h[8])
{
    unsigned found = 0;
    for (uint64_t n = 2; found < 64; n++) {
        bool is_prime = true;
        for (uint64_t d = 2; d * d <= n; d++) {
            is_prime &= n % d != 0;
        }
        if (is_prime) {
            ret_k[found] = root_fraction(n, 3);
            if (found < 8) {
                ret_h[found] = root_fraction(n, 2);
            }
            found++;
        }
    }
}

static void add_block(const uint8_t block[64], const uint32_t k[64], uint32_t h[8])
{
    uint32_t w[64], v[8];
    for (int t = 0; t < 64; t++) {
        if (t < 16) {
            w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 | (uint32_t)block[4 * t + 2] << 8 |
                   block[4 * t + 3];
            continue;
        }
        uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
    memcpy(v, h, sizeof v);
    for (int t = 0; t < 64; t++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[t] + w[t];
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) {
        h[i] += v[i];
    }
}

static void naive_sha256(Str text, uint8_t ret_hash[NAIVE_SHA256_BYTES])
{
    static uint8_t padded[NAIVE_SHA256_TEXT_BYTES_MAX + 72];
    uint32_t k[64], h[8];
    size_t len = (text.len + 9 + 63) / 64 * 64;
    assert_true(len <= sizeof padded);
    memset(padded, 0, len);
    memcpy(padded, text.ptr, text.len);
    padded[text.len] = 0x80;
    for (size_t i = 0; i < 8; i++) {
        padded[len - 1 - i] = (uint8_t)((uint64_t)text.len * 8 >> 8 * i);
    }
    constants(k, h);
    for (size_t at = 0; at < len; at += 64) {
        add_block(padded + at, k, h);
    }
    for (size_t i = 0; i < NAIVE_SHA256_BYTES; i++) {
        ret_hash[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
    }
}

#endif
