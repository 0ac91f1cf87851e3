// Loops of a team, checked: every task runs once, and pauses follow what helpers gain. Prints a line for each check.

#include "team.h"

#include <cstdio>
#include <cstdlib>
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

// A loop of 100 µs in which the calling thread did half of the work and waited for so long.
void record(Benefit& benefit, Clock::time_point now, double waited, long loops = 64) {
    for (long i = 0; i < loops; i++) benefit.record(now, 50.0 + waited, waited, 0.5);
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
    for (long i = 0; i < 64; i++) vain.record(start, 100.0, 0.0, 0.99);
    require(!vain.expected(start), "helpers that do next to nothing pause");
    std::printf("pauses follow the gain\n");
}

}  // namespace
}  // namespace maxent

int main() {
    maxent::every_task_runs_once();
    maxent::callers_do_not_disturb_each_other();
    maxent::pauses_follow_the_gain();
}
