// The backward pass: the gradients of parameters and inputs of many networks.
#pragma once

#include "network.h"

namespace maxent {
namespace {

struct Backward {
    const Network& net;
    const float *dy, *flat;  // [groups, rows, outputs], [groups, size]
    const long groups, size;
    const float* x;          // [groups / copies, rows, inputs]
    const long copies, rows;
    const float* hidden;     // [groups][panels][stride], as `forward` kept them
    float *dx, *dflat;       // as x and flat; either may be null

    const int last = net.layers - 1;
    const long outputs = net.outputs(), stride = (rows + APART) * PANEL, all_hidden = net.hidden_panels() * stride;
    const long sources = groups / copies;
    const int threads = net.threads(groups * rows);
    const long block = rows_of_a_block(rows, sources, threads), blocks = (rows + block - 1) / block;

    Panels packing, columns;  // transposed weights; the columns of each layer's gradient
    float *packed, *slopes;   // of the hidden activations, where the parameters' gradients need them

    void run() {
        for (int l = 0; l < net.layers; l++) {
            packing.add(l > 0 || dx ? panels(net.width[l]) : 0, PANEL * net.width[l + 1]);
            columns.add(panels(net.width[l + 1]), 0);
        }
        packed = workspace(0, groups * packing.size);
        slopes = dflat ? workspace(2, groups * all_hidden) : nullptr;
        pack_all(groups, packing, packed, threads, [this](long group, int l, long p, float* panel) {
            pack_transposed(flat + group * size + net.weight[l], net.width[l], net.width[l + 1], p * PANEL, panel);
        });
        Team::get().loop(sources * blocks, threads,
                         [this](long task) { back_through_block(task / blocks, task % blocks * block); });
        if (!dflat) return;
        Team::get().loop(groups * columns.all, threads, [this](long task) {
            const auto [l, p] = columns.find(task % columns.all);
            column_gradient(task / columns.all, l, p);
        });
        for (long group = 0; group < groups; group++)
            std::fill(dflat + group * size + net.size, dflat + (group + 1) * size, 0.0f);
    }

    // Compute the slopes of the hidden layers, and dx, for a block of rows of one source.
    void back_through_block(long source, long first) const {
        const long end = std::min(rows, first + block);
        long listed[MOST_ROWS];
        if (dx) std::fill_n(dx + (source * rows + first) * net.width[0], (end - first) * net.width[0], 0.0f);
        for (long group = source * copies; group < (source + 1) * copies; group++) {
            const long count = list_rows(group, first, end, listed);
            float* const turns = dflat ? nullptr : workspace(1, 2 * net.widest * (block + APART) * PANEL);
            const long apart = dflat ? stride : (block + APART) * PANEL;  // between panels of slopes
            const float* above = dy + group * rows * outputs;
            for (int l = last; l > 0 || (l == 0 && dx); l--) {
                float* const into = l == 0  ? dx + source * rows * net.width[0]
                                    : dflat ? slopes + group * all_hidden + net.hidden[l] * stride + first * PANEL
                                            : turns + l % 2 * net.widest * apart;
                for (long p = 0; p < packing.count[l]; p++)
                    back_through_panel(group, l, p, listed, count, above, apart, into);
                above = into;
            }
        }
    }

    // List the rows that have a slope. A row whose outputs have none has none anywhere, if parameters are finite: under
    // a minimum of two critics, half of the rows of each. Gradients of parameters run over all rows, so for these every
    // row is listed.
    long list_rows(long group, long first, long end, long* listed) const {
        const float* slope = dy + group * rows * outputs;
        long count = 0;
        for (long r = first; r < end; r++) {
            const float* row = slope + r * outputs;
            if (dflat || std::any_of(row, row + outputs, [](float slope) { return slope != 0.0f; }))
                listed[count++] = r;
        }
        return count;
    }

    // Multiply the slopes of layer l's outputs with one panel of its transposed weights: the slopes of its inputs.
    void back_through_panel(long group, int l, long p, const long* rows_of, long count, const float* above, long apart,
                            float* into) const {
        const long in = net.width[l], out = net.width[l + 1];
        const float* panel = packed + group * packing.size + packing.offset(l, p);
        auto each_row = [=, this](auto finish) {
            if (l == last)
                product(count, out, Listed{above, rows_of, out}, panel, zero, finish);
            else
                product(count, out, Rows{above, apart}, panel, zero, finish);
        };
        if (l > 0) {
            const float* const active = hidden + group * all_hidden + net.hidden[l] * stride + p * stride;
            each_row([=](long i, Vector left, Vector right) INLINE {
                const Vector zeros{};
                const float* h = active + rows_of[i] * PANEL;
                float* to = into + p * apart + i * PANEL;
                store(to, load(h) <= zeros ? zeros : left);
                store(to + LANES, load(h + LANES) <= zeros ? zeros : right);
            });
        } else {
            each_row([=](long i, Vector left, Vector right) INLINE {
                alignas(Vector) float sums[PANEL];
                store(sums, left), store(sums + LANES, right);
                float* to = into + rows_of[i] * in + p * PANEL;
                for (long j = 0; j < std::min(PANEL, in - p * PANEL); j++) to[j] += sums[j];
            });
        }
    }

    // Compute the gradients of one panel's columns of layer l's weights and biases.
    void column_gradient(long group, int l, long p) const {
        const long in = net.width[l], out = net.width[l + 1], count = std::min(PANEL, out - p * PANEL);
        float* const weights = dflat + group * size + net.weight[l] + p * PANEL;
        const float* above = slopes + group * all_hidden + (net.hidden[l + 1] + p) * stride;
        if (l == last) {
            float* panel = workspace(1, stride);
            pack(dy + group * rows * outputs, rows, outputs, p * PANEL, panel);
            above = panel;
        }
        Vector left{}, right{};
        for (long r = 0; r < rows; r++) left += load(above + r * PANEL), right += load(above + r * PANEL + LANES);
        put(dflat + group * size + net.bias[l] + p * PANEL, count, left, right);
        auto save = [=](long k, Vector left, Vector right) INLINE { put(weights + k * out, count, left, right); };
        if (l == 0) {
            product(in, rows, Strided{x + (group / copies) * rows * in, 1, in}, above, zero, save);
            return;
        }
        const float* const below = hidden + group * all_hidden + net.hidden[l] * stride;
        for (long q = 0; q < panels(in); q++) {
            const long some = std::min(PANEL, in - q * PANEL);
            if (l == last && out == 1)  // one row of the transpose instead of a panel of which 1/PANEL is used
                product(1, rows, Strided{dy + group * rows, 1, 1}, below + q * stride, zero,
                        [=](long, Vector left, Vector right) INLINE { put(weights + q * PANEL, some, left, right); });
            else
                product(some, rows, Columns{below + q * stride}, above, zero,
                        [=](long k, Vector left, Vector right) INLINE { save(q * PANEL + k, left, right); });
        }
    }
};

// From the slopes of the outputs, dy [groups, rows, outputs], compute those of the inputs, dx [groups / copies, rows,
// inputs], and of the parameters, dflat [groups, size]; dx or dflat may be null.
void backward(const Network& net, const float* dy, const float* flat, long groups, long size, const float* x,
              long copies, long rows, const float* hidden, float* dx, float* dflat) {
    Backward{net, dy, flat, groups, size, x, copies, rows, hidden, dx, dflat}.run();
}

}  // namespace
}  // namespace maxent
