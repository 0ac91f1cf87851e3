// The shapes of a network, its memory, and the division of work among threads.
#pragma once

#include "panels.h"
#include "team.h"

#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace maxent {
namespace {

constexpr int MOST_LAYERS = 4;
constexpr int DIGIT = 15;           // bits of one layer's width
constexpr long MOST_ROWS = 128;     // of one block
constexpr long APART = 8;           // rows between panels, so that their first lines map to different cache sets
constexpr long LAYOUT = PANEL << 8 | APART;  // the memory layout that compiled code is specialised for
#ifndef MAXENT_WORTH  // set by tests
#define MAXENT_WORTH 1'000'000
#endif
constexpr double WORTH = MAXENT_WORTH;  // floating-point operations from which several threads are faster than one

struct Network {
    int layers = 0;
    long width[MOST_LAYERS + 1];                    // inputs, hidden layers, outputs
    long weight[MOST_LAYERS], bias[MOST_LAYERS];    // offsets into the parameters of a group
    long hidden[MOST_LAYERS + 1];                   // panels of hidden activations before those of each layer's inputs
    long widest = 0, size = 0;                      // panels of the widest hidden layer; parameters of a group

    Network(long inputs, int64_t widths) {
        width[0] = inputs;
        for (; widths > 0 && layers < MOST_LAYERS; widths >>= DIGIT) width[++layers] = widths & ((1 << DIGIT) - 1);
        for (int l = 0; l < layers; l++) weight[l] = size, size += width[l] * width[l + 1];
        for (int l = 0; l < layers; l++) bias[l] = size, size += width[l + 1];
        hidden[0] = hidden[1] = 0;
        for (int l = 1; l < layers; l++) {
            hidden[l + 1] = hidden[l] + panels(width[l]);
            widest = std::max(widest, panels(width[l]));
        }
    }
    long outputs() const { return width[layers]; }
    long hidden_panels() const { return hidden[layers]; }
    int threads(long rows) const {
        return 2.0 * double(rows) * double(size) < WORTH ? 1 : Team::most_threads.load(std::memory_order_relaxed);
    }
};

// The panels of several layers, stored one after the other.
struct Panels {
    int layers = 0;
    long count[MOST_LAYERS], at[MOST_LAYERS], each[MOST_LAYERS];  // panels; offset of the first; floats of one
    long all = 0, size = 0;

    void add(long panels, long floats) {
        count[layers] = panels, at[layers] = size, each[layers++] = floats;
        all += panels, size += panels * floats;
    }
    // The layer of the panel with this number, and its number within the layer.
    std::pair<int, long> find(long task) const {
        int l = 0;
        while (task >= count[l]) task -= count[l++];
        return {l, task};
    }
    long offset(int l, long p) const { return at[l] + p * each[l]; }
};

// Memory that each thread keeps from call to call.
float* workspace(int which, long floats) {
    constexpr auto line = std::align_val_t(64);
    struct Free {
        void operator()(float* memory) const { ::operator delete[](memory, line); }
    };
    static thread_local std::unique_ptr<float[], Free> memory[3];
    static thread_local long size[3] = {0, 0, 0};
    if (size[which] < floats) {
        memory[which].reset(new (line) float[floats]);
        size[which] = floats;
    }
    return memory[which].get();
}

// Fill the panels of all groups: fill(group, layer, number of the panel, its address).
template <class Fill>
void pack_all(long groups, const Panels& packing, float* packed, int threads, const Fill& fill) {
    Team::get().loop(groups * packing.all, threads, [&](long task) {
        const long group = task / packing.all;
        const auto [l, p] = packing.find(task % packing.all);
        fill(group, l, p, packed + group * packing.size + packing.offset(l, p));
    });
}

long rows_of_a_block(long rows, long groups, int threads) {
    const long blocks = std::max(1L, 2L * threads / groups);
    return std::clamp((rows + blocks - 1) / blocks, 32L, MOST_ROWS);
}

}  // namespace
}  // namespace maxent
