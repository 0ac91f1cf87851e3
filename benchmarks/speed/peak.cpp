// The rate of fused multiply-adds of each thread, in GFLOP/s: as many independent sums as hide the latency, no memory.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#ifdef __AVX512F__
constexpr int LANES = 16, SUMS = 24;
#else
constexpr int LANES = 8, SUMS = 12;
#endif
typedef float Vector __attribute__((vector_size(4 * LANES)));
volatile float sink;

double rate(double seconds) {
    Vector sums[SUMS] = {}, a = Vector{} + 0.999f, b = Vector{} + 1e-3f;
    const auto start = std::chrono::steady_clock::now();
    double operations = 0.0, passed = 0.0;
    while (passed < seconds) {
        Vector now[SUMS];  // in registers: their address is never taken
#pragma GCC unroll 32
        for (int j = 0; j < SUMS; j++) now[j] = sums[j];
        for (int i = 0; i < 100'000; i++) {
#pragma GCC unroll 32
            for (int j = 0; j < SUMS; j++) now[j] = now[j] * a + b;
            asm volatile("" ::: "memory");  // the loop is not merged with the next
        }
#pragma GCC unroll 32
        for (int j = 0; j < SUMS; j++) sums[j] = now[j];
        operations += 100'000.0 * SUMS * LANES * 2;
        passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    for (Vector sum : sums) sink = sum[0];
    return operations / passed / 1e9;
}

int main(int, char** arguments) {
    std::vector<double> rates(std::atoi(arguments[1]));
    std::vector<std::thread> threads;
    for (double& own : rates) threads.emplace_back([&own, arguments] { own = rate(std::atof(arguments[2])); });
    for (std::thread& thread : threads) thread.join();
    double sum = 0.0;
    for (double own : rates) sum += own;
    std::printf("%.2f\n", sum);
}
