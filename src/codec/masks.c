#include "masks.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BLOCK = 64 };

/* Of 64 bytes, the first one's bit lowest. */
struct marks {
    uint64_t quotes, specials;
};

/* Copies 64 bytes and says where their quotes and specials are. */
typedef struct marks mark_block(char *to, const char *from);
/* Puts down where the quotes of a block are, which begins at base, and maybe more behind them; returns where they end. */
typedef uint16_t *put_quotes(uint16_t *to, size_t base, uint64_t quotes);

static inline void put_marks(struct dl_marked *marked, size_t block, struct marks marks)
{
    uint64_t bits = marks.quotes | marks.specials;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bits = __builtin_bswap64(bits);
#endif
    memcpy(marked->marks + block * sizeof bits, &bits, sizeof bits);
}

/* Inlined into each of its callers, so that the block functions are inlined too. */
static inline __attribute__((always_inline)) void mark(struct dl_marked *marked, const char *text, size_t bytes,
                                                       mark_block *block, put_quotes *put)
{
    size_t whole = bytes / BLOCK, left = bytes % BLOCK;
    uint64_t specials = 0;
    uint16_t *quote = marked->quote;
    for (size_t i = 0; i < whole; i++) {
        struct marks marks = block(marked->text + i * BLOCK, text + i * BLOCK);
        put_marks(marked, i, marks);
        quote = put(quote, i * BLOCK, marks.quotes);
        specials |= marks.specials;
    }
    memset(marked->marks + whole * sizeof(uint64_t), 0, DL_MARKS_PADDING);
    if (left > 0) {
        struct marks last;
        if (whole > 0) { /* the last 64 bytes, less those that were looked at before */
            last = block(marked->text + bytes - BLOCK, text + bytes - BLOCK);
            last.quotes >>= BLOCK - left;
            last.specials >>= BLOCK - left;
        } else {
            char padded[BLOCK];
            memset(padded, ' ', BLOCK);
            memcpy(padded, text, bytes);
            last = block(marked->text, padded);
        }
        put_marks(marked, whole, last);
        quote = put(quote, whole * BLOCK, last.quotes);
        specials |= last.specials;
    }
    for (int i = 0; i < 4; i++)
        quote[i] = (uint16_t)bytes;
    memset(marked->text + bytes, 0, DL_MARKED_PADDING);
    marked->end = marked->text + bytes;
    marked->special = specials != 0;
}
_Static_assert((int)DL_MARKED_PADDING >= BLOCK, "a whole block is written behind the text");

static inline uint16_t *put_each(uint16_t *to, size_t base, uint64_t quotes)
{
    for (; quotes != 0; quotes &= quotes - 1)
        *to++ = (uint16_t)(base + (size_t)__builtin_ctzll(quotes));
    return to;
}

/* ---- Portable: eight bytes at a time in one integer ---- */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The top bit of each byte that is 0. No carry leaves a byte, so none is wrong. */
static uint64_t zeros(uint64_t bytes)
{
    return ~(((bytes & EACH(0x7F)) + EACH(0x7F)) | bytes | EACH(0x7F));
}

/* Gathers the top bits of eight bytes, the first byte's lowest. */
static uint64_t gather(uint64_t tops)
{
    return ((tops >> 7) * UINT64_C(0x0102040810204080)) >> 56;
}

static struct marks portable_block(char *to, const char *from)
{
    struct marks marks = {0, 0};
    for (int i = 0; i < BLOCK / 8; i++) {
        uint64_t bytes;
        memcpy(&bytes, from + i * 8, sizeof bytes);
        memcpy(to + i * 8, &bytes, sizeof bytes);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        bytes = __builtin_bswap64(bytes);
#endif
        uint64_t quotes = zeros(bytes ^ EACH('"'));
        uint64_t controls = zeros(bytes & EACH(0xE0));
        uint64_t specials = controls | zeros(bytes ^ EACH('\\')) | (bytes & EACH(0x80));
        marks.quotes |= gather(quotes) << (i * 8);
        marks.specials |= gather(specials) << (i * 8);
    }
    return marks;
}

static void mark_portable(struct dl_marked *marked, const char *text, size_t bytes)
{
    mark(marked, text, bytes, portable_block, put_each);
}

/* ---- x86: as signed bytes, what is not ASCII is below 0x20 too ---- */

#if defined(__x86_64__)
static inline struct marks sse2_block(char *to, const char *from)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    struct marks marks = {0, 0};
    for (int i = 0; i < BLOCK / 16; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(from + i * 16));
        _mm_storeu_si128((__m128i *)(void *)(to + i * 16), bytes);
        __m128i special = _mm_or_si128(_mm_cmplt_epi8(bytes, space), _mm_cmpeq_epi8(bytes, backslash));
        marks.quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, quote)) << (i * 16);
        marks.specials |= (uint64_t)(uint32_t)_mm_movemask_epi8(special) << (i * 16);
    }
    return marks;
}

static void mark_sse2(struct dl_marked *marked, const char *text, size_t bytes)
{
    mark(marked, text, bytes, sse2_block, put_each);
}

#define AVX2 __attribute__((target("avx2,bmi,popcnt"))) /* no processor has AVX2 without popcnt */

AVX2 static inline struct marks avx2_half(char *to, const char *from)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)from);
    _mm256_storeu_si256((__m256i *)(void *)to, bytes);
    __m256i quotes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
    __m256i specials = _mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(' '), bytes),
                                       _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')));
    return (struct marks){(uint32_t)_mm256_movemask_epi8(quotes), (uint32_t)_mm256_movemask_epi8(specials)};
}

AVX2 static inline struct marks avx2_block(char *to, const char *from)
{
    struct marks low = avx2_half(to, from), high = avx2_half(to + 32, from + 32);
    return (struct marks){low.quotes | high.quotes << 32, low.specials | high.specials << 32};
}

/* Eight at once, written out, however many there are: nobody can guess that. */
AVX2 static inline uint16_t *put_eights(uint16_t *to, size_t base, uint64_t quotes)
{
    uint16_t *end = to + __builtin_popcountll(quotes);
    do {
        to[0] = (uint16_t)(base + _tzcnt_u64(quotes));
        quotes = _blsr_u64(quotes);
        to[1] = (uint16_t)(base + _tzcnt_u64(quotes));
        quotes = _blsr_u64(quotes);
        to[2] = (uint16_t)(base + _tzcnt_u64(quotes));
        quotes = _blsr_u64(quotes);
        to[3] = (uint16_t)(base + _tzcnt_u64(quotes));
        quotes = _blsr_u64(quotes);
        to[4] = (uint16_t)(base + _tzcnt_u64(quotes));
        quotes = _blsr_u64(quotes);
        to[5] = (uint16_t)(base + _tzcnt_u64(quotes));
        quotes = _blsr_u64(quotes);
        to[6] = (uint16_t)(base + _tzcnt_u64(quotes));
        quotes = _blsr_u64(quotes);
        to[7] = (uint16_t)(base + _tzcnt_u64(quotes));
        quotes = _blsr_u64(quotes);
        to += 8;
    } while (quotes != 0);
    return end;
}

AVX2 static void mark_avx2(struct dl_marked *marked, const char *text, size_t bytes)
{
    mark(marked, text, bytes, avx2_block, put_eights);
}

/* ---- AVX-512: the places of 64 bytes, packed to those that are quotes ---- */

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi2,popcnt")))

AVX512 static inline struct marks avx512_block(char *to, const char *from)
{
    __m512i bytes = _mm512_loadu_si512(from);
    _mm512_storeu_si512(to, bytes);
    return (struct marks){_mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"')),
                          _mm512_cmplt_epi8_mask(bytes, _mm512_set1_epi8(' ')) |
                              _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\\'))};
}

AVX512 static inline uint16_t *put_packed(uint16_t *to, size_t base, uint64_t quotes)
{
    static const _Alignas(BLOCK) char places[BLOCK] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    __m512i packed = _mm512_maskz_compress_epi8(quotes, _mm512_load_si512(places)), first = _mm512_set1_epi16((short)base);
    unsigned count = (unsigned)__builtin_popcountll(quotes);
    _mm512_storeu_si512(to, _mm512_add_epi16(first, _mm512_cvtepu8_epi16(_mm512_castsi512_si256(packed))));
    if (__builtin_expect(count > BLOCK / 2, 0))
        _mm512_storeu_si512(to + BLOCK / 2,
                            _mm512_add_epi16(first, _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(packed, 1))));
    return to + count;
}

AVX512 static void mark_avx512(struct dl_marked *marked, const char *text, size_t bytes)
{
    mark(marked, text, bytes, avx512_block, put_packed);
}
#endif

dl_mark *dl_mark_by(enum dl_instructions instructions)
{
#if defined(__x86_64__)
    if (instructions == DL_AVX512)
        return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2") ? mark_avx512 : NULL;
    if (instructions == DL_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") ? mark_avx2 : NULL;
    if (instructions == DL_SSE2)
        return mark_sse2; /* every x86-64 processor has it */
#endif
    return instructions == DL_PORTABLE ? mark_portable : NULL;
}
