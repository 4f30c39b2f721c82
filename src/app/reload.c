#include "daemon.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- Signals ---- */

void dl_daemon_on_stop_signal(uv_signal_t *signal, int number)
{
    struct daemon *daemon = signal->data;
    if (daemon->stopping) {
        dl_note(daemon->notes, DL_NOTE_NOTICE, "second signal: leaving at once", DL_NUMBER("signal", number));
        dl_log_tick(daemon->log); /* not destroy: ingest may be writing */
        _Exit(daemon->exit_status);
    }
    dl_note(daemon->notes, DL_NOTE_NOTICE, "stopping", DL_NUMBER("signal", number));
    dl_daemon_begin_stop(daemon);
}

static void note_config_errors(struct daemon *daemon, const struct dl_config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        dl_note(daemon->notes, errors->item[i].warning ? DL_NOTE_WARNING : DL_NOTE_ERROR, "configuration",
                DL_TEXT("file", errors->item[i].source), DL_NUMBER("line", errors->item[i].line),
                DL_NUMBER("column", errors->item[i].column), DL_TEXT("fault", errors->item[i].text));
}

static void on_difference(void *context, const char *path, bool reloadable)
{
    struct daemon *daemon = context;
    if (reloadable)
        dl_note(daemon->notes, DL_NOTE_NOTICE, "reload: changed", DL_TEXT("option", path));
    else
        dl_note(daemon->notes, DL_NOTE_WARNING, "reload: cannot change while running; restart to take it over",
                DL_TEXT("option", path));
}

static void take_over(struct daemon *daemon, struct dl_config *fresh)
{
    struct dl_config *config = daemon->config;
    dl_config_compare(config, fresh, on_difference, daemon);
    dl_config_take_over(config, fresh);
    dl_log_set_level(daemon->log, (enum dl_note_level)config->log.level);
    if (daemon->ingest != NULL) {
        dl_ingest_set_batch_interval(daemon->ingest, config->batch_interval_ms);
        dl_ingest_set_stop_on_data_loss(daemon->ingest, config->on_data_loss == DL_ON_DATA_LOSS_STOP);
    }
    dl_daemon_publish_soon(daemon);
    if (dl_daemon_scoring(daemon) != NULL)
        dl_scoring_reconfigure(dl_daemon_scoring(daemon));
}

void dl_daemon_on_hang_up(uv_signal_t *signal, int number)
{
    (void)number;
    struct daemon *daemon = signal->data;
    if (daemon->stopping)
        return;
    dl_service_reloading();
    struct dl_config *fresh = NULL;
    struct dl_config_errors errors = {0};
    enum dl_status status = dl_config_reload(&fresh, daemon->arguments->config_path, daemon->arguments->sets,
                                             daemon->arguments->set_count, &errors);
    if (status == DL_OK)
        status = dl_config_require_service(fresh, &errors);
    note_config_errors(daemon, &errors);
    if (status == DL_OK && daemon->serve.http != NULL)
        status = dl_http_renew_token(daemon->serve.http);
    if (status == DL_OK)
        take_over(daemon, fresh);
    else
        dl_note(daemon->notes, DL_NOTE_ERROR, "reload refused: the running configuration stays", DL_NUMBER("errors", errors.errors));
    dl_config_destroy(fresh);
    dl_service_ready("reloaded");
}
