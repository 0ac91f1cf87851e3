// The forward pass: the outputs of many networks.
#pragma once

#include "network.h"

namespace maxent {
namespace {

// Compute the outputs y [groups, rows, outputs] for x [groups / copies, rows, inputs]. Unless it is null,
// hidden [groups][panels][rows + APART][PANEL] keeps the activations that `backward` needs.
void forward(const Network& net, const float* flat, long groups, long size, const float* x, long copies, long rows,
             float* y, float* hidden) {
    const int last = net.layers - 1;
    const bool single = net.outputs() == 1 && last > 0;  // its weights need no panel: a sum along each row
    Panels packing;
    for (int l = 0; l < net.layers - single; l++)
        packing.add(panels(net.width[l + 1]), PANEL * (1 + net.width[l]));  // the bias, then the weights
    float* const packed = workspace(0, groups * packing.size);
    const int threads = net.threads(groups * rows);
    const long block = rows_of_a_block(rows, groups, threads), blocks = (rows + block - 1) / block;

    pack_all(groups, packing, packed, threads, [&](long group, int l, long p, float* panel) {
        const float* parameters = flat + group * size;
        pack(parameters + net.bias[l], 1, net.width[l + 1], p * PANEL, panel);
        pack(parameters + net.weight[l], net.width[l], net.width[l + 1], p * PANEL, panel + PANEL);
    });
    Team::get().loop(groups * blocks, threads, [&](long task) {
        const long group = task / blocks, first = task % blocks * block, count = std::min(block, rows - first);
        const float* inputs = x + ((group / copies) * rows + first) * net.width[0];
        float* const outputs = y + (group * rows + first) * net.outputs();
        // where they are not kept, the activations of two layers take turns
        float* const turns = hidden ? nullptr : workspace(1, 2 * net.widest * (block + APART) * PANEL);
        const long stride = ((hidden ? rows : block) + APART) * PANEL;
        for (int l = 0; l < net.layers - single; l++) {
            const long in = net.width[l], out = net.width[l + 1];
            float* const kept = hidden ? hidden + (group * net.hidden_panels() + net.hidden[l + 1]) * stride
                                       : turns + l % 2 * net.widest * stride;
            float* const into = hidden ? kept + first * PANEL : kept;
            for (long p = 0; p < packing.count[l]; p++) {
                const float* panel = packed + group * packing.size + packing.at[l] + p * packing.each[l];
                auto start = [=](Vector& left, Vector& right) INLINE {
                    left = load(panel), right = load(panel + LANES);
                };
                auto each_row = [&](auto finish) {
                    if (l == 0)
                        product(count, in, Strided{inputs, in, 1}, panel + PANEL, start, finish);
                    else
                        product(count, in, Rows{inputs, stride}, panel + PANEL, start, finish);
                };
                if (l < last) {
                    float* const to = into + p * stride;
                    each_row([=](long i, Vector left, Vector right) INLINE {
                        const Vector zeros{};  // NaN < 0 is false: NaN stays
                        store(to + i * PANEL, left < zeros ? zeros : left);
                        store(to + i * PANEL + LANES, right < zeros ? zeros : right);
                    });
                } else {
                    float* const to = outputs + p * PANEL;
                    each_row([=](long i, Vector left, Vector right) INLINE {
                        put(to + i * out, out - p * PANEL, left, right);
                    });
                }
            }
            inputs = into;
        }
        if (!single) return;
        const float* weight = flat + group * size + net.weight[last];
        const float bias = flat[group * size + net.bias[last]];
        const long in = net.width[last], whole = in / PANEL;
        for (long i = 0; i < count; i++) {
            const float* row = inputs + i * PANEL;
            Vector left{}, right{};
            for (long p = 0; p < whole; p++) {
                const Loose* w = reinterpret_cast<const Loose*>(weight + p * PANEL);
                left += load(row + p * stride) * w[0];
                right += load(row + p * stride + LANES) * w[1];
            }
            left += right;
            float sum = bias;
            for (int j = 0; j < LANES; j++) sum += left[j];
            for (long k = whole * PANEL; k < in; k++) sum += row[whole * stride + k - whole * PANEL] * weight[k];
            outputs[i] = sum;
        }
    });
}

}  // namespace
}  // namespace maxent
