/* The crypto pool: what takes milliseconds of CPU, on threads that give way to the loops.
 *
 * A job belongs to whoever asks until crypto_pool_run(), to a lane until its work is done, and
 * comes home through the mailbox of its loop. Two lanes, each with its own threads and its own
 * bounded queue. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "net/loop.h"
#include "net/tls_version.h"

#define THREADS_MAX  64
#define THREADS_AUTO 4
#define JOBS_DEFAULT 4096
#define LEAST_NICE   19

struct lane {
    pthread_mutex_t mutex; /* guards the rest but the threads */
    pthread_cond_t ready;
    struct crypto_job *first, **last;
    uint32_t waiting, max;
    bool is_ending;
    pthread_t threads[THREADS_MAX];
    uint32_t thread_count;
};
struct crypto_pool {
    struct lane lanes[CRYPTO_LANES];
};

static bool start_threads(struct lane *lane, uint32_t count);
static void *run_lane(void *context);
static void come_home(struct crypto_job *job);

static uint32_t count_threads(const struct crypto_pool_options *options) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (options->threads) {
        return options->threads < THREADS_MAX ? options->threads : THREADS_MAX;
    }
    return cores < 1 ? 1 : cores < THREADS_AUTO ? (uint32_t)cores : THREADS_AUTO;
}

struct crypto_pool *crypto_pool_new(const struct crypto_pool_options *options) {
    struct crypto_pool *pool = calloc(1, sizeof(*pool));
    if (!pool || !tls_version__start()) {
        free(pool);
        errno = ENOMEM;
        return NULL;
    }
    for (size_t i = 0; i < CRYPTO_LANES; i++) {
        struct lane *lane = &pool->lanes[i];
        (void)pthread_mutex_init(&lane->mutex, NULL); /* cannot fail on Linux, as the next */
        (void)pthread_cond_init(&lane->ready, NULL);
        lane->last = &lane->first;
        lane->max = options->max_jobs ? options->max_jobs : JOBS_DEFAULT;
    }
    for (size_t i = 0; i < CRYPTO_LANES; i++) {
        if (!start_threads(&pool->lanes[i], count_threads(options))) {
            int error = errno;
            crypto_pool_free(pool);
            errno = error;
            return NULL;
        }
    }
    return pool;
}

/* At least one. Signals are for the threads that asked for them. */
static bool start_threads(struct lane *lane, uint32_t count) {
    sigset_t all, before;
    int error = 0;
    (void)sigfillset(&all); /* cannot fail, as the two below */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (lane->thread_count < count && error == 0) {
        error = pthread_create(&lane->threads[lane->thread_count], NULL, run_lane, lane);
        lane->thread_count += error == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return lane->thread_count > 0;
}

void crypto_pool_free(struct crypto_pool *pool) {
    if (!pool) {
        return;
    }
    for (size_t i = 0; i < CRYPTO_LANES; i++) {
        struct lane *lane = &pool->lanes[i];
        pthread_mutex_lock(&lane->mutex);
        lane->is_ending = true;
        pthread_cond_broadcast(&lane->ready);
        pthread_mutex_unlock(&lane->mutex);
        for (uint32_t at = 0; at < lane->thread_count; at++) {
            pthread_join(lane->threads[at], NULL);
        }
        while (lane->first) {
            struct crypto_job *job = lane->first;
            lane->first = job->next;
            come_home(job);
        }
        pthread_cond_destroy(&lane->ready);
        pthread_mutex_destroy(&lane->mutex);
    }
    free(pool);
}

enum status crypto_pool_run(struct net_loop *loop, enum crypto_lane which, struct crypto_job *job) {
    if (!loop->crypto_pool) {
        return STATUS_UNSUPPORTED;
    }
    struct lane *lane = &loop->crypto_pool->lanes[which];
    job->home = loop;
    job->next = NULL;
    job->has_run = false;
    pthread_mutex_lock(&lane->mutex);
    bool is_full = lane->waiting >= lane->max;
    if (!is_full) {
        *lane->last = job;
        lane->last = &job->next;
        lane->waiting++;
        pthread_cond_signal(&lane->ready);
    }
    pthread_mutex_unlock(&lane->mutex);
    return is_full ? STATUS_LIMIT : STATUS_OK;
}

/* The next job, or NULL when the pool ends. */
static struct crypto_job *take(struct lane *lane) {
    pthread_mutex_lock(&lane->mutex);
    while (!lane->first && !lane->is_ending) {
        pthread_cond_wait(&lane->ready, &lane->mutex);
    }
    struct crypto_job *job = lane->is_ending ? NULL : lane->first;
    if (job) {
        lane->first = job->next;
        lane->last = lane->first ? lane->last : &lane->first;
        lane->waiting--;
    }
    pthread_mutex_unlock(&lane->mutex);
    return job;
}

static void *run_lane(void *context) {
    struct crypto_job *job;
    /* Of this thread alone, on Linux. A kernel that refuses lets us run at full priority. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), LEAST_NICE);
    while ((job = take(context)) != NULL) {
        job->work(job);
        job->has_run = true;
        come_home(job);
    }
    return NULL;
}

static void on_home(struct net_message *message, struct net_loop *loop) {
    struct crypto_job *job = CONTAINER_OF(message, struct crypto_job, message);
    job->done(job, loop);
}

static void come_home(struct crypto_job *job) {
    job->message.run = on_home;
    net_post_answer(job->home, &job->message);
}
