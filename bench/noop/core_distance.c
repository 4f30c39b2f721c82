/* How far two cores are from each other: nanoseconds that a cache line takes from one to the other and back. On a virtual machine
 * this changes while it runs, as its host moves virtual cores about, and with it all that two threads do for each other. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TURNS = 200, ROUNDS = 20 };

static struct {
    _Alignas(128) atomic_int there; /* 1: the ball is with the other one; -1: the end */
} ball;
static pthread_barrier_t both; /* neither spins before the other has its core: it might be kept from ever getting there */

/* On this core, and before others where that is allowed: two that do not run at once measure something else. */
static void stay_on(unsigned long core)
{
    const struct sched_param first = {.sched_priority = 1};
    (void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &first);
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    if (pthread_setaffinity_np(pthread_self(), sizeof cores, &cores) != 0) {
        fprintf(stderr, "core-distance: no core %lu for this process\n", core);
        exit(1);
    }
}

static void *give_back(void *context)
{
    stay_on(*(const unsigned long *)context);
    (void)pthread_barrier_wait(&both);
    for (int there; (there = atomic_load_explicit(&ball.there, memory_order_acquire)) >= 0;)
        if (there == 1)
            atomic_store_explicit(&ball.there, 0, memory_order_release);
    return NULL;
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double one_round(void)
{
    double begun = now_ns();
    for (int i = 0; i < TURNS; i++) {
        atomic_store_explicit(&ball.there, 1, memory_order_release);
        while (atomic_load_explicit(&ball.there, memory_order_acquire) != 0)
            ;
    }
    return (now_ns() - begun) / TURNS;
}

static unsigned long core_of(const char *word)
{
    char *end;
    unsigned long core = strtoul(word, &end, 10);
    if (end == word || *end != '\0') {
        fprintf(stderr, "core-distance: \"%s\" is not the number of a core\n", word);
        exit(2);
    }
    return core;
}

int main(int count, char **words)
{
    if (count != 3) {
        fprintf(stderr, "usage: core-distance CORE OTHER_CORE\nPrints nanoseconds, the least of %d rounds.\n", ROUNDS);
        return 2;
    }
    unsigned long core = core_of(words[1]), other = core_of(words[2]);
    pthread_t thread;
    if (pthread_barrier_init(&both, NULL, 2) != 0 || pthread_create(&thread, NULL, give_back, &other) != 0) {
        fprintf(stderr, "core-distance: no thread\n");
        return 1;
    }
    stay_on(core);
    (void)pthread_barrier_wait(&both);
    double least = one_round();
    for (int round = 1; round < ROUNDS; round++) {
        double ns = one_round();
        least = ns < least ? ns : least;
    }
    atomic_store(&ball.there, -1);
    pthread_join(thread, NULL);
    printf("%.0f\n", least);
    return 0;
}
