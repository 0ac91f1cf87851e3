// Loops over tasks that several threads share.
//
// Tasks are claimed one by one, not assigned: a loop ends when every task is done, whoever did it, so a helper that the
// system has put aside delays nobody unless it is in the middle of a task. Where helpers do not pay, because other
// processes use the cores, the calling thread works alone for a while (`Benefit`).
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

#include <immintrin.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace maxent {
namespace {

constexpr int MOST_THREADS = 64;

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

// Sleep while a number has this value; wake those who sleep on it.
inline void sleep_while(const std::atomic<uint32_t>& number, uint32_t value) {
    syscall(SYS_futex, &number, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
inline void wake_all(const std::atomic<uint32_t>& number) {
    syscall(SYS_futex, &number, FUTEX_WAKE_PRIVATE, MOST_THREADS, nullptr, nullptr, 0);
}

// Whether helpers make loops faster, from the time that loops took and what the calling thread alone would have needed.
class Benefit {
  public:
    static constexpr long EACH = 4;  // of so many loops one is measured by processor time, which costs a system call

    bool expected(Clock::time_point now) const { return now >= resume.load(std::memory_order_relaxed); }
    // Count a loop of so many microseconds, of which the calling thread waited some for helpers at the end.
    void record(Clock::time_point now, double total, double waited) {
        shared += total, late += waited, loops++;
        if (loops < WINDOW && late < MOST_LATE) return;
        if (alone < WORTHWHILE * shared) {
            resume.store(now + std::chrono::duration_cast<Clock::duration>(Microseconds(pause)),
                         std::memory_order_relaxed);
            pause = std::min(2.0 * pause, LONGEST_PAUSE);
            shared = alone = 0.0;
        } else {  // older loops count less
            pause = std::max(RECOVERY * pause, SHORTEST_PAUSE);
            shared *= MEMORY, alone *= MEMORY;
        }
        late = loops = 0.0;
    }
    // Count what the calling thread computed in a loop, for the loops that are not measured as well: microseconds on its
    // core, and its share of the tasks. By the clock on the wall, helpers that keep it off its core would look useful.
    void record_own(double computed, double share) { alone += EACH * computed / share; }

  private:
    static constexpr double WINDOW = 64.0, MOST_LATE = 1'000.0;  // loops and microseconds before a decision
    static constexpr double WORTHWHILE = 1.1, MEMORY = 0.9, RECOVERY = 0.9;
    static constexpr double SHORTEST_PAUSE = 2'000.0, LONGEST_PAUSE = 500'000.0;  // microseconds
    double shared = 0.0, alone = 0.0, late = 0.0, loops = 0.0, pause = SHORTEST_PAUSE;
    std::atomic<Clock::time_point> resume{};  // read by threads that call at the same time
};

// Microseconds that the calling thread has spent on a core.
inline double processor_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return 1e6 * double(time.tv_sec) + 1e-3 * double(time.tv_nsec);
}

class Team {
  public:
    // The team of this process; a forked child, which has none of its parent's threads, gets a new one.
    static Team& get() {
        static const bool once = [] {
            team.store(new Team);
            return pthread_atfork(nullptr, nullptr, [] { team.store(new Team); }) == 0;
        }();
        (void)once;
        return *team.load(std::memory_order_relaxed);
    }
    static inline std::atomic<int> most_threads{int(std::max(1u, std::thread::hardware_concurrency()))};

    // Call task(i) for i = 0 … count − 1 on at most so many threads; return when all of them are done, or throw what one
    // of them threw. Each thread begins with its own part of the tasks, so that in the next loop it finds in its cache
    // what it wrote before.
    template <class Task>
    void loop(long count, int threads, const Task& task) {
        threads = int(std::min<long>({threads, count, MOST_THREADS}));
        const Clock::time_point start = Clock::now();
        const bool free = threads > 1 && benefit.expected(start) && !busy.exchange(true, std::memory_order_acquire);
        if (!free) {
            for (long i = 0; i < count; i++) task(i);
            return;
        }
        start_helpers(threads - 1);
        call = [](const void* object, long i) { (*static_cast<const Task*>(object))(i); };
        object = &task, rounding = _mm_getcsr();
        left.store(uint32_t(count), std::memory_order_relaxed);
        lanes.store(threads, std::memory_order_relaxed);
        for (int lane = 0; lane < threads; lane++)
            lane_of[lane].tasks.store(uint64_t(count * lane / threads) << 32 | uint64_t(count * (lane + 1) / threads),
                                      std::memory_order_release);
        published.fetch_add(1, std::memory_order_seq_cst);
        if (sleeping.load(std::memory_order_seq_cst) > 0) wake_all(published);
        const bool measured = ++measuring % Benefit::EACH == 0;
        const double before = measured ? processor_time() : 0.0;
        const long own = drain(0);
        if (measured) benefit.record_own(processor_time() - before, double(std::max(own, 1L)) / double(count));
        const Clock::time_point drained = Clock::now();
        wait_for_others();
        const Clock::time_point end = Clock::now();
        benefit.record(end, Microseconds(end - start).count(), Microseconds(end - drained).count());
        const std::exception_ptr thrown = std::exchange(error, nullptr);
        failed.store(false, std::memory_order_relaxed);
        busy.store(false, std::memory_order_release);
        if (thrown) std::rethrow_exception(thrown);
    }

  private:
    // The tasks of one lane that nobody has claimed: the first in the upper half, the end in the lower.
    struct alignas(64) Lane {
        std::atomic<uint64_t> tasks{0};
        bool claim(long& task) {
            uint64_t now = tasks.load(std::memory_order_acquire);
            while (now >> 32 < (now & 0xffffffff))
                if (tasks.compare_exchange_weak(now, now + (1ull << 32), std::memory_order_acq_rel)) {
                    task = long(now >> 32);
                    return true;
                }
            return false;
        }
    };

    // Do unclaimed tasks, first those of the own lane; return how many. What a task needs is read after it was claimed:
    // until it is done, the loop does not end and nothing of it changes.
    long drain(int own) {
        const int count = lanes.load(std::memory_order_relaxed);
        long done = 0, task;
        for (int i = 0; i < count; i++)
            for (Lane& lane = lane_of[(own + i) % count]; lane.claim(task); done++) {
                if (own > 0) _mm_setcsr(rounding);  // the calling thread's mode for subnormals
                try {
                    call(object, task);
                } catch (...) {  // such as memory that is not there; the loop ends before its caller learns of it
                    if (!failed.exchange(true)) error = std::current_exception();
                }
                if (left.fetch_sub(1, std::memory_order_seq_cst) == 1 && asleep.load(std::memory_order_seq_cst))
                    wake_all(left);
            }
        return done;
    }

    void start_helpers(int wanted) {
        try {
            for (; helpers < wanted; helpers++) std::thread([this, lane = helpers + 1] { help(lane); }).detach();
        } catch (const std::system_error&) {  // the system allows no more threads: those that there are do the work
        }
    }

    void help(int lane) {
        for (uint32_t seen = 0;;) {
            for (int i = 0; i < SPINS && published.load(std::memory_order_acquire) == seen; i++) _mm_pause();
            if (published.load(std::memory_order_acquire) == seen) {
                sleeping.fetch_add(1, std::memory_order_seq_cst);
                while (published.load(std::memory_order_seq_cst) == seen) sleep_while(published, seen);
                sleeping.fetch_sub(1, std::memory_order_relaxed);
            }
            seen = published.load(std::memory_order_acquire);
            if (lane < lanes.load(std::memory_order_relaxed)) drain(lane);
        }
    }

    void wait_for_others() {
        for (int i = 0; i < SPINS && left.load(std::memory_order_acquire) > 0; i++) _mm_pause();
        if (left.load(std::memory_order_acquire) == 0) return;
        asleep.store(true, std::memory_order_seq_cst);
        while (const uint32_t now = left.load(std::memory_order_seq_cst)) sleep_while(left, now);
        asleep.store(false, std::memory_order_relaxed);
    }

    static inline std::atomic<Team*> team{nullptr};
    static constexpr int SPINS = 1'000;  // of about 40 ns
    Benefit benefit;
    Lane lane_of[MOST_THREADS];
    alignas(64) std::atomic<uint32_t> published{0};  // number of loops so far
    alignas(64) std::atomic<uint32_t> left{0};       // tasks of this loop that are not done
    alignas(64) std::atomic<int> sleeping{0};        // helpers
    std::atomic<int> lanes{0};
    std::atomic<bool> asleep{false}, busy{false};    // the calling thread; whether a loop runs
    std::atomic<bool> failed{false};
    std::exception_ptr error;  // of the first task that failed
    int helpers = 0;
    long measuring = 0;
    unsigned rounding = 0;
    void (*call)(const void*, long) = nullptr;
    const void* object = nullptr;
};

}  // namespace
}  // namespace maxent
