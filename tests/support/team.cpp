// Loops of a team, checked: every task runs once, and pauses follow what helpers gain. Prints a line for each check.

#include "team.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <set>
#include <vector>

namespace maxent {
namespace {

using namespace std::chrono_literals;

void require(bool holds, const char* what) {
    if (holds) return;
    std::printf("failed: %s\n", what);
    std::exit(1);
}

// Every task of many loops of different lengths runs once, and what it wrote is there when the loop has ended.
void every_task_runs_once() {
    std::vector<int> runs(300);
    for (long loop = 0; loop < 30'000; loop++) {
        const long count = loop % 300;
        Team::get().loop(count, 1 + int(loop % 4), [&](long task) { runs[task] += 1; });
        for (long task = 0; task < count; task++) require(runs[task] == 1, "every task runs once"), runs[task] = 0;
    }
    std::printf("every task runs once\n");
}

// Threads that call at the same time all get their loops done: one with helpers, the others alone.
void callers_do_not_disturb_each_other() {
    std::vector<std::thread> callers;
    std::vector<long> sums(4);
    for (int caller = 0; caller < 4; caller++)
        callers.emplace_back([&sums, caller] {
            for (long loop = 0; loop < 2'000; loop++) {
                std::vector<long> parts(17);
                Team::get().loop(17, 3, [&](long task) { parts[task] = task; });
                for (long part : parts) sums[caller] += part;
            }
        });
    for (std::thread& caller : callers) caller.join();
    for (long sum : sums) require(sum == 2'000 * 17 * 16 / 2, "callers do not disturb each other");
    std::printf("callers do not disturb each other\n");
}

// Tasks that throw, on whichever thread: the loop ends, one error arrives, and the next loop is as any other.
void errors_arrive() {
    for (long loop = 0; loop < 500; loop++) {
        std::atomic<long> runs{0};
        bool caught = false;
        try {
            Team::get().loop(40, 3, [&](long task) {
                runs++;
                if (task % 13 == 5) throw std::bad_alloc();
            });
        } catch (const std::bad_alloc&) {
            caught = true;
        }
        require(caught && (runs == 40 || runs == 6), "errors arrive");  // 6: alone, up to the first that throws
    }
    std::printf("errors arrive\n");
}

// A later loop has no more threads than it asks for, though more have been started. A helper that looked at the limit of
// the loop before, and was then put aside, may still join: that is rare.
void a_limit_is_kept() {
    long above = 0;
    for (long loop = 0; loop < 300; loop++) {
        std::mutex lock;
        std::set<std::thread::id> seen;
        const int most = loop % 2 ? 2 : 6;
        Team::get().loop(24, most, [&](long) {
            const std::scoped_lock held(lock);
            seen.insert(std::this_thread::get_id());
        });
        above += long(seen.size()) > most;
    }
    require(above <= 5, "a limit is kept");
    std::printf("a limit is kept\n");
}

// A loop of 100 µs in which the calling thread did half of the work and waited for so long.
void record(Benefit& benefit, Clock::time_point now, double waited, long loops = 64) {
    for (long i = 0; i < loops; i++) {
        if (i % Benefit::EACH == 0) benefit.record_own(50.0, 0.5);
        benefit.record(now, 50.0 + waited, waited);
    }
}

void pauses_follow_the_gain() {
    const Clock::time_point start = Clock::now();
    Benefit quiet;
    record(quiet, start, 5.0, 640);
    require(quiet.expected(start), "helpers that gain work on");

    Benefit busy;  // a helper that is put aside for 4 ms: one such loop is enough
    record(busy, start, 4'000.0, 1);
    require(!busy.expected(start) && !busy.expected(start + 1'900us), "helpers that cost time pause");
    require(busy.expected(start + 2'100us), "and are tried again");
    Clock::time_point now = start;
    for (int trial = 0; trial < 12; trial++) record(busy, now += 1s, 4'000.0, 1);
    require(!busy.expected(now + 490ms) && busy.expected(now + 510ms), "pauses grow to half a second");
    record(busy, now += 1s, 5.0, 64 * 100);
    require(busy.expected(now), "helpers that gain again work again");
    record(busy, now, 5'000.0, 1);
    require(busy.expected(now), "a delay that earlier gains outweigh is no reason to pause");
    record(busy, now, 60'000.0, 1);
    require(!busy.expected(now + 1'900us) && busy.expected(now + 2'100us), "and pauses begin anew");

    Benefit vain;  // helpers that are never late but leave nearly everything to the calling thread
    for (long i = 0; i < 64; i++) {
        if (i % Benefit::EACH == 0) vain.record_own(100.0, 0.99);
        vain.record(start, 100.0, 0.0);
    }
    require(!vain.expected(start), "helpers that do next to nothing pause");

    Benefit crowded;  // helpers on the same core: they did half of the tasks, while the calling thread had to stand by
    for (long i = 0; i < 64; i++) {
        if (i % Benefit::EACH == 0) crowded.record_own(50.0, 0.5);
        crowded.record(start, 100.0, 0.0);
    }
    require(!crowded.expected(start), "helpers that take the calling thread's core pause");
    std::printf("pauses follow the gain\n");
}

}  // namespace
}  // namespace maxent

int main() {
    maxent::every_task_runs_once();
    maxent::callers_do_not_disturb_each_other();
    maxent::errors_arrive();
    maxent::a_limit_is_kept();
    maxent::pauses_follow_the_gain();
}
