/* Out of memory at every place where memory is asked for: the status says so,
 * nothing is lost track of, and what is left can be destroyed. */
#include "sample.h"

#include <delight/catalogue.h>
#include <delight/chain.h>
#include <delight/dedupe.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

/* Sanitizers bring a malloc of their own, which cannot be told to fail. */
#if !defined(SANITIZED) && defined(__GLIBC__)

/* glibc's own, behind those below. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void __libc_free(void *memory);

static struct {
    bool armed;
    long left;  /* until the one that fails, 0: none does any more */
    long held;  /* blocks */
    bool failed;
} memory;

static bool fails(void)
{
    if (!memory.armed || memory.left == 0 || --memory.left > 0)
        return false;
    memory.failed = true;
    return true;
}

void *malloc(size_t bytes)
{
    if (fails())
        return NULL;
    memory.held += memory.armed;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    if (fails())
        return NULL;
    memory.held += memory.armed;
    return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    if (fails())
        return NULL;
    memory.held += memory.armed && block == NULL;
    return __libc_realloc(block, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    if (fails())
        return NULL;
    memory.held += memory.armed;
    return __libc_memalign(alignment, bytes);
}

void free(void *block)
{
    memory.held -= memory.armed && block != NULL;
    __libc_free(block);
}

/* Runs `use` with its first, second, third … allocation failing, until it gets
 * through. use returns false when something had failed. */
static void fail_everywhere(bool (*use)(void))
{
    for (long nth = 1;; nth++) {
        memory.left = nth;
        memory.held = 0;
        memory.failed = false;
        memory.armed = true;
        bool whole = use();
        memory.armed = false;
        ck_assert_msg(memory.held == 0, "allocation %ld failed: %ld blocks are left", nth, memory.held);
        ck_assert_msg(whole || memory.failed, "allocation %ld: failed without a reason", nth);
        if (!memory.failed) {
            ck_assert(whole);
            ck_assert_int_gt(nth, 3); /* some did fail */
            return;
        }
    }
}

/* What fails everywhere asserts with DL_ASSERT: ck_assert asks for memory too. */

static struct dl_event event_of(int i)
{
    static char names[64][8];
    struct dl_event event = i % 2 == 0 ? sample_survey("a", SAMPLE_MS) : sample_contact("a", SAMPLE_MS);
    snprintf(names[i], sizeof names[i], "n%d", i);
    event.touchpoint = dl_name_of(names[i]);
    event.stage = dl_name_of(names[i % 5]);
    event.segment[0] = dl_name_of(names[i % 3]);
    event.time_ms -= i * 7000;
    event.wait_ms = 1000 * i;
    event.handle_ms = 77 * i;
    event.kano_count = 1;
    event.kano[0] = (struct dl_kano_answer){event.stage, DL_KANO_REVERSE};
    return event;
}

static enum dl_status count_tally(void *context, const struct dl_batch_tally *tally)
{
    if (tally->cell->feature.bytes == 0)
        *(int64_t *)context += tally->events;
    return DL_OK;
}

static int64_t counted(const struct dl_batch *batch)
{
    int64_t events = 0;
    DL_ASSERT(dl_batch_each(batch, count_tally, &events) == DL_OK);
    return events;
}

static bool use_batch(void)
{
    const struct dl_batch_options options = {.bytes_max = (size_t)1 << 20, .segments = 1};
    struct dl_batch *batch = dl_batch_create(&options, 0);
    if (batch == NULL)
        return false;
    int64_t events = 0;
    bool whole = true;
    for (int i = 0; i < 60; i++) {
        struct dl_event event = event_of(i);
        enum dl_status status = dl_batch_add(batch, &event);
        if (status == DL_OK)
            events++;
        else
            DL_ASSERT(status == DL_MEMORY);
        whole = whole && status == DL_OK;
        status = dl_batch_cover(batch, 0, i, 0, 1, 1);
        DL_ASSERT(status == DL_OK || status == DL_MEMORY);
        whole = whole && status == DL_OK;
    }
    DL_ASSERT(counted(batch) == events); /* what was refused has left no trace */
    dl_batch_destroy(batch);
    return whole;
}

static struct dl_batch *prepared;

static enum dl_status live(struct dl_engine *engine)
{
    enum dl_status status = dl_engine_advance(engine, SAMPLE_MS);
    if (status == DL_OK)
        status = dl_engine_apply(engine, prepared);
    int64_t id;
    int window;
    while (status == DL_OK && dl_engine_take_dirty(engine, &id, &window) == DL_OK)
        status = dl_engine_set_published(engine, id, window, dl_engine_total(engine, id, window));
    for (int minutes = 1; minutes < 70 && status == DL_OK; minutes++) /* some views at once, others a minute later or more */
        status = dl_engine_begin_advance(engine, SAMPLE_MS + minutes * MINUTE_MS, 100);
    while (status == DL_OK && dl_engine_take_dirty(engine, &id, &window) == DL_OK)
        status = dl_engine_set_published(engine, id, window, dl_engine_total(engine, id, window));
    if (status == DL_OK)
        status = dl_engine_advance(engine, SAMPLE_MS + 69 * MINUTE_MS);
    while (status == DL_OK && dl_engine_take_dirty(engine, &id, &window) == DL_OK)
        status = dl_engine_set_published(engine, id, window, dl_engine_total(engine, id, window));
    if (status == DL_OK)
        status = dl_engine_advance(engine, SAMPLE_MS + 70 * MINUTE_MS);
    if (status == DL_OK)
        DL_ASSERT(dl_engine_next_subject(engine, 0) == -1);
    return status;
}

static bool use_engine(void)
{
    struct dl_engine_options options = sample_options(1);
    struct dl_engine *engine = dl_engine_create(&options);
    if (engine == NULL)
        return false;
    enum dl_status status = live(engine);
    DL_ASSERT(status == DL_OK || status == DL_MEMORY);
    dl_engine_destroy(engine);
    return status == DL_OK;
}

static enum dl_status put_back(void *context, const struct dl_engine_pane *pane)
{
    return dl_engine_restore(context, pane);
}

/* One engine's state goes to another, pane by pane; then it leaves both. */
static enum dl_status hand_over(struct dl_engine *engine, struct dl_engine *other)
{
    enum dl_status status = dl_engine_advance(engine, SAMPLE_MS);
    if (status == DL_OK)
        status = dl_engine_advance(other, SAMPLE_MS);
    if (status == DL_OK)
        status = dl_engine_apply(engine, prepared);
    while (status == DL_OK)
        status = dl_engine_take_changes(engine, 50, put_back, other);
    if (status != DL_EMPTY)
        return status;
    int64_t id = sample_find(engine, "all");
    DL_ASSERT(dl_tally_equal(dl_engine_total(engine, id, 1), dl_engine_total(other, sample_find(other, "all"), 1)));
    status = dl_engine_advance(engine, SAMPLE_MS + 2 * HOUR_MS);
    if (status == DL_OK)
        status = dl_engine_begin_advance(other, SAMPLE_MS + 2 * HOUR_MS, 0);
    while (status == DL_OK)
        status = dl_engine_apply_some(other, 1);
    if (status == DL_EMPTY)
        status = DL_OK;
    DL_ASSERT(status != DL_OK || dl_engine_changes(other) > 0);
    return status;
}

static bool use_state(void)
{
    struct dl_engine_options options = sample_options(1);
    options.keeps_changes = true;
    struct dl_engine *engine = dl_engine_create(&options);
    struct dl_engine *other = dl_engine_create(&options);
    enum dl_status status = engine == NULL || other == NULL ? DL_MEMORY : hand_over(engine, other);
    DL_ASSERT(status == DL_OK || status == DL_MEMORY);
    dl_engine_destroy(engine);
    dl_engine_destroy(other);
    return status == DL_OK;
}

static bool use_chain(void)
{
    struct dl_chain *chain = dl_chain_create();
    if (chain == NULL)
        return false;
    size_t taken = 0;
    for (int i = 0; i < 100; i++) {
        char topic[8];
        snprintf(topic, sizeof topic, "%d", i / 3);
        struct dl_chain_link link = {.topic = dl_name_of(topic), .partition = i, .from = 1, .next = 2};
        enum dl_status status = dl_chain_take(chain, &link);
        DL_ASSERT(status == DL_OK || status == DL_MEMORY);
        DL_ASSERT(dl_chain_next(chain, link.topic, i) == (status == DL_OK ? 2 : -1));
        taken += status == DL_OK;
    }
    DL_ASSERT(dl_chain_count(chain) == taken);
    dl_chain_destroy(chain);
    return taken == 100;
}

static bool use_dedupe(void)
{
    struct dl_dedupe *dedupe = dl_dedupe_create(5000);
    if (dedupe == NULL)
        return false;
    bool whole = true;
    for (int i = 0; i < 6000; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i % 5500);
        struct dl_event event = sample_survey("a", SAMPLE_MS);
        event.id = dl_name_of(id);
        bool duplicate = false;
        const struct dl_dedupe_mark mark = dl_dedupe_mark(dedupe, &event);
        enum dl_status status = dl_dedupe_check(dedupe, i, &mark, &duplicate);
        DL_ASSERT(!duplicate && (status == DL_OK || status == DL_MEMORY));
        whole = whole && status == DL_OK;
    }
    dl_dedupe_destroy(dedupe);
    return whole;
}

static bool run_dedupe_on(struct dl_dedupe *dedupe, int from, int to)
{
    bool whole = true;
    for (int i = from; i < to; i++) {
        const struct dl_dedupe_mark mark = {.low = (uint64_t)i << 32, .high = (uint64_t)i};
        bool duplicate = false;
        whole = whole && dl_dedupe_check(dedupe, i, &mark, &duplicate) == DL_OK && !duplicate;
    }
    return whole;
}

static bool use_catalogue(void)
{
    struct dl_catalogue *catalogue = dl_catalogue_create(DL_UNKNOWN_ACCEPT);
    if (catalogue == NULL)
        return false;
    bool whole = true;
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        enum dl_status status = dl_catalogue_add(catalogue, dl_name_of("j"), dl_name_of("s"), dl_name_of(name));
        DL_ASSERT(status == DL_OK || status == DL_MEMORY);
        struct dl_event event = sample_survey(name, SAMPLE_MS);
        DL_ASSERT(dl_catalogue_apply(catalogue, &event) == DL_ACCEPTED);
        DL_ASSERT((event.stage.bytes > 0) == (status == DL_OK));
        whole = whole && status == DL_OK;
    }
    dl_catalogue_destroy(catalogue);
    return whole;
}

START_TEST(batches)
{
    fail_everywhere(use_batch);
}
END_TEST

START_TEST(engines)
{
    prepared = sample_batch(1);
    for (int i = 0; i < 60; i++) {
        struct dl_event event = event_of(i);
        ck_assert_int_eq(dl_batch_add(prepared, &event), DL_OK);
    }
    fail_everywhere(use_engine);
    fail_everywhere(use_state);
    dl_batch_destroy(prepared);
}
END_TEST

START_TEST(chains)
{
    fail_everywhere(use_chain);
}
END_TEST

START_TEST(duplicates)
{
    fail_everywhere(use_dedupe);
}
END_TEST

/* Once it holds all that it may, it asks for no more, however long it runs: numbers begin again in place. */
START_TEST(duplicates_need_no_more)
{
    enum { RECORDS = 20, MANY = 100000 };
    struct dl_dedupe *dedupe = dl_dedupe_create(RECORDS);
    ck_assert(run_dedupe_on(dedupe, 0, 2 * RECORDS));
    memory.left = 1;
    memory.armed = true;
    bool whole = run_dedupe_on(dedupe, 2 * RECORDS, MANY);
    memory.armed = false;
    ck_assert(whole);
    dl_dedupe_destroy(dedupe);
}
END_TEST

START_TEST(catalogues)
{
    fail_everywhere(use_catalogue);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, batches);
    tcase_add_test(tests, engines);
    tcase_add_test(tests, chains);
    tcase_add_test(tests, duplicates);
    tcase_add_test(tests, duplicates_need_no_more);
    tcase_add_test(tests, catalogues);
}

int main(void)
{
    return sample_main("memory", add_tests);
}

#else

int main(void)
{
    puts("memory: left out under a sanitizer");
    return EXIT_SUCCESS;
}

#endif
