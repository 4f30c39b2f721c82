#include "sample.h"

#include <blocks.h>
#include <guarded.h>

static const char letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
    "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba9876543210_-!";
_Static_assert(sizeof letters > (size_t)DL_NAME_BYTES_MAX, "the longest name");

/* A name, and zeros up to the end of its last block. */
static void check_blocks(const char *at, uint32_t bytes)
{
    struct dl_block blocks[DL_NAME_BLOCKS_MAX + 1];
    memset(blocks, 0xAA, sizeof blocks);
    struct dl_block *end = dl_blocks_put(blocks, (struct dl_name){at, bytes});
    ck_assert_int_eq(end - blocks, bytes / DL_BLOCK_BYTES + 1);
    const char *text = (const char *)blocks;
    for (uint32_t i = 0; i < (bytes / DL_BLOCK_BYTES + 1) * DL_BLOCK_BYTES; i++)
        MUST(text[i] == (i < bytes ? at[i] : 0));
    MUST((unsigned char)*(char *)end == 0xAA);
    struct dl_name name;
    ck_assert_ptr_eq(dl_blocks_take(blocks, &name), end);
    ck_assert_uint_eq(name.bytes, bytes);
    ck_assert(bytes == 0 ? name.data == NULL : memcmp(name.data, at, bytes) == 0);
}

/* Of every length, at every place before the end of a page behind which nobody may read, and at the beginning of one. */
START_TEST(names_of_every_length_wherever_they_lie)
{
    struct guarded guarded = guarded_create(2 * 4096);
    for (uint32_t bytes = 0; bytes <= DL_NAME_BYTES_MAX; bytes++) {
        for (size_t behind = 0; behind <= 2 * DL_BLOCK_BYTES; behind++) {
            memset(guarded.start, '#', guarded.bytes); /* what stands around a name is no part of it */
            char *at = guarded.start + guarded.bytes - behind - bytes;
            memcpy(at, letters, bytes);
            check_blocks(at, bytes);
            at = guarded.start + 4096 - behind; /* across the pages in between */
            memcpy(at, letters, bytes);
            check_blocks(at, bytes);
        }
        memcpy(guarded.start, letters, bytes);
        check_blocks(guarded.start, bytes);
    }
    check_blocks(NULL, 0);
    guarded_destroy(&guarded);
}
END_TEST

static size_t put_all(struct dl_block *blocks, const struct dl_name *names, int count)
{
    struct dl_block *end = blocks;
    for (int i = 0; i < count; i++)
        end = dl_blocks_put(end, names[i]);
    return (size_t)(end - blocks);
}

/* Wherever some letters are cut in three, none of the three keys is another's. */
START_TEST(no_two_lists_of_names_are_one_key)
{
    enum { LETTERS = 50, LISTS = (LETTERS + 1) * (LETTERS + 2) / 2 };
    struct list {
        struct dl_block block[LETTERS / DL_BLOCK_BYTES + 3];
        size_t blocks;
    } *lists = calloc(LISTS, sizeof *lists);
    MUST(lists != NULL);
    size_t count = 0;
    for (uint32_t first = 0; first <= LETTERS; first++)
        for (uint32_t second = 0; first + second <= LETTERS; second++) {
            const struct dl_name names[] = {
                {letters, first}, {letters + first, second}, {letters + first + second, LETTERS - first - second}};
            lists[count].blocks = put_all(lists[count].block, names, 3);
            count++;
        }
    ck_assert_uint_eq(count, LISTS);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            MUST((lists[i].blocks == lists[j].blocks && dl_blocks_equal(lists[i].block, lists[j].block, lists[i].blocks)) == (i == j));
    free(lists);
}
END_TEST

START_TEST(every_byte_counts)
{
    struct dl_block a[2] = {{{0, 0}}, {{0, 0}}}, b[2] = {{{0, 0}}, {{0, 0}}};
    for (size_t i = 0; i < sizeof a; i++) {
        ((char *)b)[i] = 1;
        ck_assert(!dl_blocks_equal(a, b, 2));
        ck_assert(dl_blocks_equal(a, b, i / DL_BLOCK_BYTES));
        ((char *)b)[i] = 0;
        ck_assert(dl_blocks_equal(a, b, 2));
    }
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, names_of_every_length_wherever_they_lie);
    tcase_add_test(tests, no_two_lists_of_names_are_one_key);
    tcase_add_test(tests, every_byte_counts);
}

int main(void)
{
    return sample_main("blocks", add_tests);
}
