/* What systemd is told: ready, reloading, stopping, alive. */
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <systemd/sd-daemon.h>

/* A newline would begin another variable. */
static void one_line(char *out, size_t size, const char *text)
{
    size_t i = 0;
    for (; text[i] != '\0' && i + 1 < size; i++)
        out[i] = (char)(text[i] == '\n' || text[i] == '\r' ? ' ' : text[i]);
    out[i] = '\0';
}

void dl_service_ready(const char *status)
{
    char line[512];
    one_line(line, sizeof line, status);
    sd_notifyf(0, "READY=1\nSTATUS=%s", line);
}

void dl_service_status(const char *status)
{
    char line[512];
    one_line(line, sizeof line, status);
    sd_notifyf(0, "STATUS=%s", line);
}

void dl_service_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    /* systemd 253 and later tell by the time that this reload belongs to their request. */
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void dl_service_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void dl_service_watchdog(void)
{
    sd_notify(0, "WATCHDOG=1");
}

int64_t dl_service_watchdog_interval_ms(void)
{
    uint64_t interval_us = 0;
    if (sd_watchdog_enabled(0, &interval_us) <= 0)
        return 0;
    int64_t half_ms = (int64_t)(interval_us / 2000);
    return half_ms > 0 ? half_ms : 1;
}
