/* `delightd top`: the command, its loop, and --once. */
#include "top.h"

#include "clocks.h"
#include "print.h"
#include "settings.h"
#include "subject_text.h"

#include <delight/time.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Between readings; how long --once waits for a connection. */
enum { READ_MS = 1000, CONNECT_MS = 5000, PAGE_UNKNOWN = 50 };

struct command {
    struct dl_top top;
    uv_timer_t timer;
    uv_poll_t keys;
    int keys_fd;
    uv_signal_t resized, signals[3];
    struct dl_note_sink notes;
    bool ending;
    int status;
};

/* ---- The end ---- */

/* Of the terminal. */
static void close_handles(struct command *command)
{
    if (command->top.terminal == NULL)
        return;
    uv_close((uv_handle_t *)&command->keys, NULL);
    uv_close((uv_handle_t *)&command->resized, NULL);
    for (int i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&command->signals[i], NULL);
}

static void end(struct command *command, int status)
{
    if (command->ending)
        return;
    command->ending = true;
    command->status = status;
    uv_close((uv_handle_t *)&command->timer, NULL);
    close_handles(command);
    dl_reader_close(command->top.reader);
}

static void draw(struct command *command)
{
    if (command->top.terminal != NULL && !command->ending)
        dl_top_draw(&command->top, dl_monotonic_ms(), dl_wall_ms());
}

/* ---- Events ---- */

static void on_keys(uv_poll_t *poll, int status, int events)
{
    struct command *command = poll->data;
    for (int key; !command->ending && (key = dl_terminal_key(command->top.terminal)) != DL_KEY_NONE;)
        if (!dl_top_take_key(&command->top, key))
            end(command, DL_EXIT_OK);
    if (status < 0 || events & UV_DISCONNECT) /* the terminal is gone */
        end(command, DL_EXIT_FAILED);
    draw(command);
}

static void on_resized(uv_signal_t *signal, int number)
{
    struct command *command = signal->data;
    (void)number;
    dl_terminal_resized(command->top.terminal);
    draw(command); /* tells how many rows fit */
    dl_top_keep_visible(&command->top);
    dl_top_reordered(&command->top);
    draw(command);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    end(signal->data, DL_EXIT_OK);
}

/* The link's sentences, for the first line of the screen. */
static void on_note(void *context, enum dl_note_level level, const char *message, const struct dl_note_field *fields, size_t count)
{
    struct command *command = context;
    if (level > DL_NOTE_WARNING)
        return;
    const char *detail = NULL;
    for (size_t i = 0; i < count; i++)
        if (fields[i].text != NULL && strcmp(fields[i].key, "detail") == 0)
            detail = fields[i].text;
    snprintf(command->top.trouble, sizeof command->top.trouble, "%s%s%s", message, detail != NULL ? ": " : "", detail != NULL ? detail : "");
    if (command->top.terminal == NULL)
        fprintf(stderr, "delightd top: %s\n", command->top.trouble);
    draw(command);
}

static void on_timer(uv_timer_t *timer)
{
    struct command *command = timer->data;
    if (command->top.terminal == NULL) {
        fprintf(stderr, "delightd top: Redis at %s does not answer\n", dl_reader_address(command->top.reader));
        end(command, DL_EXIT_FAILED);
        return;
    }
    dl_top_read(&command->top);
    draw(command); /* the age grows */
}

static void on_up(void *context)
{
    struct command *command = context;
    command->top.trouble[0] = '\0';
    if (command->top.terminal == NULL)
        uv_timer_stop(&command->timer);
    dl_top_read(&command->top);
}

static void on_down(void *context)
{
    struct command *command = context;
    if (command->top.terminal == NULL && !command->ending)
        uv_timer_start(&command->timer, on_timer, CONNECT_MS, 0);
    draw(command); /* the link's note has said why */
}

/* ---- Once ---- */

/* For scripts: the fields' names, and their values as they are; only what steers a terminal is escaped. */
static void print_table(const struct dl_top *top)
{
    size_t name_width = strlen("subject");
    for (size_t i = 0; i < top->row_count; i++) {
        size_t width = dl_print_width(top->rows[i].name, strlen(top->rows[i].name));
        name_width = width > name_width ? width : name_width;
    }
    printf("%-*s", (int)name_width, "subject");
    for (size_t i = 0; i < top->field_count; i++)
        printf(" %16s", dl_fields[top->fields[i]].name);
    putchar('\n');
    for (size_t row = 0; row < top->row_count; row++) {
        dl_print_safely(stdout, top->rows[row].name, strlen(top->rows[row].name), name_width);
        for (size_t i = 0; i < top->field_count; i++) {
            char value[DL_VALUE_TEXT_SIZE] = "-";
            if (top->rows[row].scores.value[top->fields[i]].kind != DL_VALUE_NONE)
                dl_value_format(value, top->rows[row].scores.value[top->fields[i]]);
            printf(" %16s", value);
        }
        putchar('\n');
    }
}

static void finish_once(struct command *command)
{
    const struct dl_top *top = &command->top;
    if (!top->read_once && top->trouble[0] == '\0' && !top->failed)
        return; /* the connection broke: asked again when it is back */
    if (!top->read_once) {
        fprintf(stderr, "delightd top: %s\n", top->failed ? "out of memory" : top->trouble);
        end(command, top->failed ? DL_EXIT_SOFTWARE : DL_EXIT_FAILED);
        return;
    }
    print_table(top);
    if (!top->meta.there)
        fprintf(stderr, "delightd top: no daemon writes under the prefix %s now\n", top->config->redis.prefix);
    if (top->row_count == 0)
        fputs("delightd top: no data of this kind, window and segment\n", stderr);
    end(command, top->row_count > 0 ? DL_EXIT_OK : DL_EXIT_FAILED);
}

static void on_read(struct dl_top *top)
{
    struct command *command = (struct command *)top; /* its first member */
    if (command->ending)
        return;
    if (top->terminal == NULL) {
        finish_once(command);
        return;
    }
    if (top->failed) {
        end(command, DL_EXIT_SOFTWARE);
        return;
    }
    size_t first = top->first;
    dl_top_keep_visible(top);
    if (top->first != first)
        dl_top_read(top);
    draw(command);
}

_Static_assert(offsetof(struct command, top) == 0, "what top_data.c hands back is the command");

/* ---- The command ---- */

static int usage_fault(const char *fault, const char *what)
{
    fprintf(stderr, "delightd top: %s%s\n", fault, what);
    return DL_EXIT_USAGE;
}

static int choose_kind(struct dl_top *top, const char *word)
{
    for (int kind = DL_KIND_ALL + 1; kind < DL_KINDS; kind++)
        if (strcmp(word, dl_kind_name((enum dl_kind)kind)) == 0) {
            top->kind = (enum dl_kind)kind;
            return DL_EXIT_OK;
        }
    return usage_fault("--kind is journey, journey_stage, stage, touchpoint or feature, not ", word);
}

static int choose_window(struct dl_top *top, const char *word)
{
    int64_t window_ms;
    if (dl_duration_parse(word, strlen(word), &window_ms) == DL_OK)
        for (size_t i = 0; i < top->config->windows.count; i++)
            if (top->config->windows.item[i] == window_ms) {
                top->window = i;
                return DL_EXIT_OK;
            }
    return usage_fault("--window is one of the configured windows, as 1h, not ", word);
}

static int choose_sort(struct dl_top *top, const char *word)
{
    size_t columns;
    const struct dl_top_column *column = dl_top_columns(top->kind, &columns);
    top->descending = *word != '+';
    word += *word == '+' || *word == '-';
    if (strcmp(word, "name") == 0) {
        top->sort_column = -1;
        top->descending = !top->descending;
        return DL_EXIT_OK;
    }
    for (size_t i = 0; i < columns; i++)
        if (strcmp(word, dl_fields[column[i].field].name) == 0) {
            top->sort_column = (int)i;
            return DL_EXIT_OK;
        }
    fprintf(stderr, "delightd top: --sort is one of: name");
    for (size_t i = 0; i < columns; i++)
        fprintf(stderr, " %s", dl_fields[column[i].field].name);
    fprintf(stderr, " (+ in front: the least first), not %s\n", word);
    return DL_EXIT_USAGE;
}

static int choose_segment(struct dl_top *top, const char *word)
{
    char encoded[DL_SUBJECT_TEXT_MAX], *segment;
    if (strchr(word, '=') == NULL || strchr(word, '|') != NULL)
        return usage_fault("--segment is SEGMENT=VALUE, not ", word);
    /* What stands before it in a name has room too. */
    if (!dl_subject_text_encode(encoded, word) || strlen(encoded) > sizeof encoded - 32)
        return usage_fault("--segment is longer than any segment and its value", "");
    top->segments.item = calloc(1, sizeof *top->segments.item);
    if (top->segments.item == NULL || asprintf(&segment, "|%s", encoded) < 0)
        return DL_EXIT_SOFTWARE;
    top->segments.item[0] = segment;
    top->segments.count = top->segments.capacity = top->segment = 1;
    return DL_EXIT_OK;
}

static int choose(struct dl_top *top, const struct dl_arguments *arguments)
{
    int status = DL_EXIT_OK;
    top->kind = DL_KIND_TOUCHPOINT;
    top->descending = true;
    top->page = PAGE_UNKNOWN;
    if (arguments->kind != NULL)
        status = choose_kind(top, arguments->kind);
    if (status == DL_EXIT_OK && arguments->window != NULL)
        status = choose_window(top, arguments->window);
    if (status == DL_EXIT_OK && arguments->segment != NULL)
        status = choose_segment(top, arguments->segment);
    if (status == DL_EXIT_OK && arguments->sort != NULL)
        status = choose_sort(top, arguments->sort);
    if (arguments->filter != NULL)
        snprintf(top->filter, sizeof top->filter, "%s", arguments->filter);
    return status;
}

/* libuv makes what it polls non-blocking, and the shell shares standard input and output with us: so it gets
 * a description of its own. */
static int open_keys(void)
{
    const char *name = ttyname(STDIN_FILENO);
    return open(name != NULL ? name : "/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
}

/* Handles are only there when all went well. */
static int open_terminal(struct command *command)
{
    static const int numbers[3] = {SIGINT, SIGTERM, SIGHUP};
    char fault[DL_TOP_TEXT_SIZE] = "out of memory";
    uv_loop_t *loop = &command->top.loop;
    command->keys_fd = open_keys();
    if (command->keys_fd < 0) {
        fprintf(stderr, "delightd top: the terminal cannot be opened: %s\n", strerror(errno));
        return DL_EXIT_FAILED;
    }
    if (dl_terminal_open(&command->top.terminal, fault, sizeof fault) != DL_OK) {
        fprintf(stderr, "delightd top: %s\n", fault);
        close(command->keys_fd);
        return DL_EXIT_FAILED;
    }
    /* None of these can fail with a terminal. */
    uv_poll_init(loop, &command->keys, command->keys_fd);
    uv_poll_start(&command->keys, UV_READABLE | UV_DISCONNECT, on_keys);
    uv_signal_init(loop, &command->resized);
    uv_signal_start(&command->resized, on_resized, SIGWINCH); /* in place of ncurses' own */
    dl_terminal_resized(command->top.terminal); /* it may have been since it was opened */
    command->resized.data = command->keys.data = command;
    for (int i = 0; i < 3; i++) {
        uv_signal_init(loop, &command->signals[i]);
        command->signals[i].data = command;
        uv_signal_start(&command->signals[i], on_signal, numbers[i]);
    }
    return DL_EXIT_OK;
}

static int run(struct command *command, bool once)
{
    struct dl_top *top = &command->top;
    const struct dl_reader_options options = {dl_settings_view(top->config, &command->notes, "").redis, top->config->redis.prefix};
    const struct dl_reader_callbacks callbacks = {on_up, on_down, dl_top_on_settled, command};
    if (uv_loop_init(&top->loop) != 0)
        return DL_EXIT_SOFTWARE;
    top->on_read = on_read;
    if (!once && (command->status = open_terminal(command)) != DL_EXIT_OK) {
        uv_loop_close(&top->loop);
        return command->status;
    }
    enum dl_status status = dl_reader_open(&top->reader, &top->loop, &options, &callbacks);
    if (status == DL_OK) {
        uv_timer_init(&top->loop, &command->timer);
        command->timer.data = command;
        uv_timer_start(&command->timer, on_timer, once ? CONNECT_MS : READ_MS, once ? 0 : READ_MS);
        draw(command);
        uv_run(&top->loop, UV_RUN_DEFAULT);
    } else {
        command->status = status == DL_MEMORY ? DL_EXIT_SOFTWARE : DL_EXIT_CONFIG;
        close_handles(command);
        uv_run(&top->loop, UV_RUN_DEFAULT);
    }
    dl_terminal_close(top->terminal);
    if (status != DL_OK)
        fprintf(stderr, "delightd top: %s\n", top->trouble);
    if (command->status == DL_EXIT_SOFTWARE)
        fputs("delightd top: out of memory\n", stderr);
    uv_loop_close(&top->loop);
    if (!once)
        close(command->keys_fd);
    return command->status;
}

int dl_command_top(const struct dl_arguments *arguments)
{
    struct command *command = calloc(1, sizeof *command);
    if (command == NULL)
        return DL_EXIT_SOFTWARE;
    int status;
    struct dl_config *config = dl_argument_config_of_redis(arguments, &status);
    command->top.config = config;
    command->top.arguments = arguments;
    command->notes = (struct dl_note_sink){on_note, command};
    if (config != NULL)
        status = choose(&command->top, arguments);
    if (config != NULL && status == DL_EXIT_OK)
        status = run(command, arguments->once || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO));
    dl_top_data_deinit(&command->top);
    dl_config_destroy(config);
    free(command);
    return status;
}
