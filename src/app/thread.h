/* Threads of the application. */
#pragma once

#include <delight/status.h>

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

/* Signals are the loop's: the new thread blocks them all. DL_MEMORY: none was started. */
DL_MUST_USE static inline enum dl_status dl_thread_start(pthread_t *thread, void *(*run)(void *context), void *context)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int fault = pthread_create(thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return fault == 0 ? DL_OK : DL_MEMORY;
}

/* Until somebody posts. */
static inline void dl_thread_wait(sem_t *work)
{
    while (sem_wait(work) != 0)
        ; /* interrupted */
}
