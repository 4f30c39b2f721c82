#include "limit.h"
#include "line.h"
#include "log.h"

#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- Lines ---- */

/* The line without its time. */
static const char *logfmt(const char *message, const struct dl_note_field *fields, size_t count)
{
    static char line[DL_LINE_SIZE];
    size_t bytes = dl_line_logfmt(line, INT64_C(1795338000123), DL_NOTE_WARNING, message, fields, count);
    ck_assert_uint_eq(bytes, strlen(line));
    ck_assert_uint_lt(bytes, DL_LINE_SIZE);
    ck_assert_ptr_eq(strchr(line, '\n'), line + bytes - 1); /* one line, whatever is in it */
    line[bytes - 1] = '\0';
    const char *prefix = "time=2026-11-22T09:00:00.123Z level=warning ";
    ck_assert_msg(strncmp(line, prefix, strlen(prefix)) == 0, "%s", line);
    return line + strlen(prefix);
}

START_TEST(line_values)
{
    static const struct {
        const char *value, *written;
    } rows[] = {
        {"word", "k=word"},
        {"a/b:c-1.5", "k=a/b:c-1.5"},
        {"", "k=\"\""},
        {"two words", "k=\"two words\""},
        {"a=b", "k=\"a=b\""},
        {"say \"hi\"", "k=\"say \\\"hi\\\"\""},
        {"back\\slash", "k=\"back\\\\slash\""},
        {"line\nlevel=error\r\t", "k=\"line\\nlevel=error\\r\\t\""},
        {"\x1b[31m\x7f\x01", "k=\"\\x1b[31m\\x7f\\x01\""},
        {"café 😀", "k=\"café 😀\""},
        {"\xc2\x85\xe2\x80\xa8", "k=\"\\xc2\\x85\\xe2\\x80\\xa8\""},       /* other ends of a line: NEL, U+2028 */
        {"\xff\xc3", "k=\"\\xff\\xc3\""},                                   /* broken */
        {"\xed\xa0\x80\xc0\x80\xf4\x90\x80\x80", "k=\"\\xed\\xa0\\x80\\xc0\\x80\\xf4\\x90\\x80\\x80\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[256];
        snprintf(expected, sizeof expected, "msg=\"broker is away\" %s", rows[i].written);
        ck_assert_str_eq(logfmt("broker is away", (struct dl_note_field[]){DL_TEXT("k", rows[i].value)}, 1), expected);
    }
    ck_assert_str_eq(logfmt("up", (struct dl_note_field[]){DL_NUMBER("n", INT64_MIN), DL_NUMBER("m", 0)}, 2),
                     "msg=up n=-9223372036854775808 m=0");
}
END_TEST

START_TEST(long_lines)
{
    static char value[40000];
    memset(value, 'a', sizeof value - 1);
    const char *line = logfmt("m", (struct dl_note_field[]){DL_TEXT("k", value)}, 1);
    ck_assert_uint_eq(strlen(line), strlen("msg=m k=\"…\"") + DL_LINE_VALUE_MAX);
    /* Cut between characters, not inside one. */
    for (size_t i = 1; i + 2 < sizeof value; i += 2)
        memcpy(value + i, "é", 2);
    line = logfmt("m", (struct dl_note_field[]){DL_TEXT("k", value)}, 1);
    ck_assert_ptr_nonnull(strstr(line, "é…\""));
    /* Fields that do not fit are left out whole; later ones that do are not. */
    memset(value, '\x01', sizeof value - 1);
    struct dl_note_field fields[] = {DL_TEXT("a", value), DL_TEXT("b", value), DL_TEXT("c", value), DL_NUMBER("d", 5)};
    line = logfmt(value, fields, 4);
    ck_assert_ptr_null(strstr(line, " b="));
    ck_assert_ptr_null(strstr(line, " c="));
    ck_assert_str_eq(line + strlen(line) - 5, "\" d=5");
}
END_TEST

START_TEST(journal_fields)
{
    char text[DL_LINE_VALUE_MAX + 96], *large = malloc(5000);
    struct dl_note_field field = DL_NUMBER("retry_ms", -3);
    ck_assert_uint_eq(dl_line_journal_field(text, &field), strlen("DELIGHTD_RETRY_MS=-3"));
    ck_assert_str_eq(text, "DELIGHTD_RETRY_MS=-3");
    field = DL_TEXT("a.b-c", "x y\n=");
    dl_line_journal_field(text, &field);
    ck_assert_str_eq(text, "DELIGHTD_A_B_C=x y\n=");
    memset(large, 'k', 4999);
    large[4999] = '\0';
    field = DL_TEXT(large, large);
    ck_assert_uint_eq(dl_line_journal_field(text, &field), 64 + 1 + DL_LINE_VALUE_MAX);
    free(large);
    char line[DL_LINE_SIZE];
    dl_line_sentence(line, "broker is away", (struct dl_note_field[]){DL_TEXT("broker", "h:1"), DL_NUMBER("n", 2)}, 2);
    ck_assert_str_eq(line, "broker is away broker=h:1 n=2");
}
END_TEST

/* ---- Rate limit ---- */

START_TEST(limit)
{
    static struct dl_limit limits;
    struct dl_limited message;
    int64_t suppressed = 0;
    for (int i = 0; i < 10; i++)
        ck_assert(dl_limit_admit(&limits, DL_NOTE_INFO, "a", 1000 + i));
    for (int i = 0; i < 123; i++)
        ck_assert(!dl_limit_admit(&limits, DL_NOTE_INFO, "a", 2000));
    ck_assert(dl_limit_admit(&limits, DL_NOTE_INFO, "b", 2000));  /* another message */
    ck_assert(dl_limit_admit(&limits, DL_NOTE_ERROR, "a", 2000)); /* another level */
    char same[] = "a";
    ck_assert(!dl_limit_admit(&limits, DL_NOTE_INFO, same, 2000)); /* told apart by text, not by address */
    ck_assert(!dl_limit_take_due(&limits, 10999, &message, &suppressed));
    ck_assert(dl_limit_take_due(&limits, 11000, &message, &suppressed));
    ck_assert_str_eq(message.message, "a");
    ck_assert_int_eq(message.level, DL_NOTE_INFO);
    ck_assert_int_eq(suppressed, 124);
    ck_assert(!dl_limit_take_due(&limits, 11000, &message, &suppressed));
    ck_assert(dl_limit_admit(&limits, DL_NOTE_INFO, "a", 11001));
    /* Ten in each interval: nothing is suppressed. */
    for (int64_t now = 30000; now < 90000; now += 1000)
        ck_assert(dl_limit_admit(&limits, DL_NOTE_INFO, "c", now));
    ck_assert(!dl_limit_take_due(&limits, INT64_MAX, &message, &suppressed));
    /* Two that end at different times, and the end of everything. */
    for (int i = 0; i < 11; i++) {
        (void)dl_limit_admit(&limits, DL_NOTE_INFO, "d", 100000);
        (void)dl_limit_admit(&limits, DL_NOTE_INFO, "e", 105000);
    }
    ck_assert(dl_limit_take_due(&limits, 110000, &message, &suppressed));
    ck_assert_str_eq(message.message, "d");
    ck_assert(!dl_limit_take_due(&limits, 110000, &message, &suppressed));
    ck_assert(dl_limit_take_due(&limits, INT64_MAX, &message, &suppressed));
    ck_assert_str_eq(message.message, "e");
    ck_assert_int_eq(suppressed, 1);
    ck_assert(!dl_limit_take_due(&limits, INT64_MAX, &message, &suppressed));
}
END_TEST

START_TEST(limit_full)
{
    static struct dl_limit limits;
    static char texts[2 * DL_LIMIT_MESSAGES][8];
    struct dl_limited message;
    int64_t suppressed = 0, written = 0, told = 0;
    for (int i = 0; i < 2 * DL_LIMIT_MESSAGES; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", i);
        for (int j = 0; j < 20; j++)
            written += dl_limit_admit(&limits, DL_NOTE_INFO, texts[i], 1);
    }
    while (dl_limit_take_due(&limits, INT64_MAX, &message, &suppressed))
        told += suppressed;
    ck_assert_int_eq(written + told, 2 * DL_LIMIT_MESSAGES * 20); /* nothing is lost unsaid */
}
END_TEST

/* ---- The log on stderr ---- */

static int stderr_before;
static FILE *captured;

static void capture(void)
{
    captured = tmpfile();
    ck_assert_ptr_nonnull(captured);
    stderr_before = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(captured), STDERR_FILENO), 0);
}

static char *captured_text(void)
{
    ck_assert_int_ge(dup2(stderr_before, STDERR_FILENO), 0);
    close(stderr_before);
    long bytes = lseek(fileno(captured), 0, SEEK_END);
    char *text = calloc(1, (size_t)bytes + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(pread(fileno(captured), text, (size_t)bytes, 0), bytes);
    fclose(captured);
    return text;
}

static int count_of(const char *text, const char *what)
{
    int count = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        count++;
    return count;
}

START_TEST(levels)
{
    capture();
    struct dl_log *log = dl_log_create(DL_LOG_STDERR, DL_NOTE_NOTICE);
    struct dl_note_sink *sink = dl_log_sink(log);
    dl_note(sink, DL_NOTE_ERROR, "one");
    dl_note(sink, DL_NOTE_NOTICE, "two", DL_NUMBER("n", 2));
    dl_note(sink, DL_NOTE_INFO, "three");
    dl_log_set_level(log, DL_NOTE_DEBUG);
    dl_note(sink, DL_NOTE_DEBUG, "four", DL_TEXT("k", "a b"));
    dl_log_set_level(log, DL_NOTE_ERROR);
    dl_note(sink, DL_NOTE_WARNING, "five");
    dl_log_destroy(log);
    char *text = captured_text();
    ck_assert_int_eq(count_of(text, "\n"), 3);
    ck_assert_ptr_nonnull(strstr(text, " level=error msg=one\n"));
    ck_assert_ptr_nonnull(strstr(text, " level=notice msg=two n=2\n"));
    ck_assert_ptr_nonnull(strstr(text, " level=debug msg=four k=\"a b\"\n"));
    ck_assert_int_eq(strncmp(text, "time=20", 7), 0);
    free(text);
    static const char *const words[] = {"error", "warning", "notice", "info", "debug"};
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(dl_log_level_parse(words[i]), i);
    ck_assert_int_eq(dl_log_level_parse("Info"), -1);
    ck_assert_int_eq(dl_log_level_parse(""), -1);
}
END_TEST

START_TEST(suppressed)
{
    capture();
    struct dl_log *log = dl_log_create(DL_LOG_STDERR, DL_NOTE_INFO);
    for (int i = 0; i < 133; i++)
        dl_note(dl_log_sink(log), DL_NOTE_WARNING, "again", DL_NUMBER("i", i));
    dl_log_tick(log); /* too early to say */
    dl_log_destroy(log);
    char *text = captured_text();
    ck_assert_int_eq(count_of(text, "\n"), 11);
    ck_assert_ptr_nonnull(strstr(text, "msg=again i=9\n"));
    ck_assert_ptr_null(strstr(text, "i=10\n"));
    ck_assert_ptr_nonnull(strstr(text, " level=warning msg=\"again … and 123 more like it\" suppressed=123\n"));
    free(text);
}
END_TEST

enum { WRITERS = 8, NOTES = 20000 };

static const char *const sentences[WRITERS / 4] = {"first", "second"}; /* several writers of each */

static pthread_barrier_t together;

struct writer {
    struct dl_log *log;
    int index;
};

static void *write_many(void *argument)
{
    struct writer *writer = argument;
    char text[200];
    memset(text, 'a' + writer->index, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    pthread_barrier_wait(&together);
    for (int i = 0; i < NOTES; i++) {
        dl_note(dl_log_sink(writer->log), DL_NOTE_INFO, sentences[writer->index / 4], DL_TEXT("k", text));
        dl_log_set_level(writer->log, i % 2 == 0 ? DL_NOTE_INFO : DL_NOTE_DEBUG);
    }
    return NULL;
}

START_TEST(many_writers)
{
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    capture();
    struct dl_log *log = dl_log_create(DL_LOG_STDERR, DL_NOTE_INFO);
    pthread_barrier_init(&together, NULL, WRITERS);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){log, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&together);
    dl_log_destroy(log);
    char *text = captured_text();
    int64_t lines = 0, said = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        const char *key = strstr(line, " k=");
        int more = 0;
        ck_assert_int_eq(strncmp(line, "time=", 5), 0);
        if (key != NULL) { /* whole: 199 times one letter */
            ck_assert_uint_eq(strlen(key), 3 + 199);
            ck_assert_uint_eq(strspn(key + 3, (char[]){key[3], '\0'}), 199);
            said++;
        } else if (sscanf(strstr(line, "… and "), "… and %d more", &more) == 1) {
            said += more;
        }
    }
    ck_assert_int_eq(said, WRITERS * NOTES);
    ck_assert_int_ge(lines, WRITERS / 4 * (DL_LIMIT_BURST + 1));
    free(text);
}
END_TEST

/* What cannot reach the journal is not lost. */
START_TEST(journal_away)
{
    struct stat about;
    if (stat("/run/systemd/journal/socket", &about) == 0)
        return; /* a journal is there: it would get the line */
    capture();
    struct dl_log *log = dl_log_create(DL_LOG_JOURNAL, DL_NOTE_INFO);
    dl_note(dl_log_sink(log), DL_NOTE_INFO, "hello", DL_NUMBER("n", 1));
    dl_log_destroy(log);
    char *text = captured_text();
    ck_assert_ptr_nonnull(strstr(text, " level=info msg=hello n=1\n"));
    free(text);
}
END_TEST

START_TEST(automatic_target)
{
    /* $JOURNAL_STREAM names another file than stderr: lines stay on stderr. */
    setenv("JOURNAL_STREAM", "1:1", 1);
    capture();
    struct dl_log *log = dl_log_create(DL_LOG_AUTO, DL_NOTE_INFO);
    dl_note(dl_log_sink(log), DL_NOTE_INFO, "hello");
    dl_log_destroy(log);
    char *text = captured_text();
    ck_assert_ptr_nonnull(strstr(text, " level=info msg=hello\n"));
    free(text);
}
END_TEST

/* ---- systemd ---- */

static int notify_socket(char *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(folder, "/tmp/test_log.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/n", folder);
    int server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server, (struct sockaddr *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    return server;
}

static const char *received(int server)
{
    static char text[1024];
    ssize_t bytes = recv(server, text, sizeof text - 1, MSG_DONTWAIT);
    text[bytes > 0 ? bytes : 0] = '\0';
    return text;
}

START_TEST(service)
{
    char folder[32];
    int server = notify_socket(folder);
    dl_service_ready("catching up\nX=1");
    ck_assert_str_eq(received(server), "READY=1\nSTATUS=catching up X=1");
    dl_service_status("5000 events/s");
    ck_assert_str_eq(received(server), "STATUS=5000 events/s");
    dl_service_reloading();
    int64_t time_us = 0;
    ck_assert_int_eq(sscanf(received(server), "RELOADING=1\nMONOTONIC_USEC=%" SCNd64, &time_us), 1);
    ck_assert_int_gt(time_us, 0);
    dl_service_stopping();
    ck_assert_str_eq(received(server), "STOPPING=1");
    dl_service_watchdog();
    ck_assert_str_eq(received(server), "WATCHDOG=1");
    unlink(getenv("NOTIFY_SOCKET"));
    rmdir(folder);
    close(server);

    unsetenv("NOTIFY_SOCKET");
    dl_service_ready("nobody listens");
    dl_service_watchdog();

    char number[32];
    unsetenv("WATCHDOG_USEC");
    ck_assert_int_eq(dl_service_watchdog_interval_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    snprintf(number, sizeof number, "%d", (int)getpid());
    setenv("WATCHDOG_PID", number, 1);
    ck_assert_int_eq(dl_service_watchdog_interval_ms(), 15000);
    setenv("WATCHDOG_USEC", "1000", 1);
    ck_assert_int_eq(dl_service_watchdog_interval_ms(), 1);
    setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
    ck_assert_int_eq(dl_service_watchdog_interval_ms(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 30);
    tcase_add_test(all, line_values);
    tcase_add_test(all, long_lines);
    tcase_add_test(all, journal_fields);
    tcase_add_test(all, limit);
    tcase_add_test(all, limit_full);
    tcase_add_test(all, levels);
    tcase_add_test(all, suppressed);
    tcase_add_test(all, many_writers);
    tcase_add_test(all, journal_away);
    tcase_add_test(all, automatic_target);
    tcase_add_test(all, service);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
