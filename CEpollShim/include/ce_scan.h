/// Searches for the first byte of a class, sixteen bytes a step where the processor has SSE2. Each looks at
/// `bytes[from..<count]` and nothing else, and returns `count` when no such byte is there.
#ifndef CE_SCAN_H
#define CE_SCAN_H

#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/// The part of sixteen bytes that a class has, as a bit mask; and the same for one byte.
#ifdef __SSE2__
static inline __m128i ce_between(__m128i v, char first, char last) {
    return _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)(first - 1))),
                         _mm_cmplt_epi8(v, _mm_set1_epi8((char)(last + 1))));
}
static inline __m128i ce_letters(__m128i v) { return ce_between(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 'z'); }

static inline uint32_t ce_mask_control(__m128i v) {
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7F))));
}
/// Signed: bytes from 0x80 on are below zero.
static inline uint32_t ce_mask_hidden(__m128i v) {
    __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x21));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7F))));
}
static inline uint32_t ce_mask_json(__m128i v) {
    __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"')), slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, slash)));
}
static inline uint32_t ce_mask_not_name(__m128i v) {
    __m128i good = _mm_or_si128(ce_letters(v), ce_between(v, '0', '9'));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
    return (uint32_t)_mm_movemask_epi8(good) ^ 0xFFFF;
}
static inline uint32_t ce_mask_not_path(__m128i v) {
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(ce_letters(v), ce_between(v, '-', '9'))) ^ 0xFFFF;
}
#endif

static inline int ce_is_letter(uint8_t c) { return (uint8_t)((c | 0x20) - 'a') < 26; }
static inline int ce_is_control(uint8_t c) { return c < 0x20 || c == 0x7F; }
static inline int ce_is_hidden(uint8_t c) { return c < 0x21 || c > 0x7E; }
static inline int ce_is_json(uint8_t c) { return c < 0x20 || c > 0x7F || c == '"' || c == '\\'; }
static inline int ce_is_not_name(uint8_t c) { return !(ce_is_letter(c) || (uint8_t)(c - '0') < 10 || c == '-'); }
static inline int ce_is_not_path(uint8_t c) { return !(ce_is_letter(c) || (uint8_t)(c - '-') < 13); }

#ifdef __SSE2__
#define CE_SIXTEEN(class)                                                                                    \
    for (; count - at >= 16; at += 16) {                                                                     \
        uint32_t found = ce_mask_##class(_mm_loadu_si128((const __m128i *)(bytes + at)));                    \
        if (found) return at + (size_t)__builtin_ctz(found);                                                 \
    }
#else
#define CE_SIXTEEN(class)
#endif

#define CE_SEARCH(class)                                                                                     \
    static inline size_t ce_find_##class(const uint8_t *bytes, size_t from, size_t count) {                  \
        if (from >= count) return count;                                                                     \
        size_t at = from;                                                                                    \
        CE_SIXTEEN(class)                                                                                    \
        while (at < count && !ce_is_##class(bytes[at])) at++;                                                \
        return at;                                                                                           \
    }

/// ce_find_control: below 0x20, or 0x7F.
CE_SEARCH(control)
/// ce_find_hidden: anything but visible ASCII.
CE_SEARCH(hidden)
/// ce_find_json: what ends the plain part of a JSON string: a quote, a backslash, a control character below
/// 0x20, or a byte from 0x80 on.
CE_SEARCH(json)
/// ce_find_not_name: anything but ASCII letters, digits and `-`.
CE_SEARCH(not_name)
/// ce_find_not_path: anything but ASCII letters, digits, `-`, `.` and `/`.
CE_SEARCH(not_path)

#undef CE_SEARCH
#undef CE_SIXTEEN

#endif
