// Fully connected ReLU layers of many networks at once: outputs, and the gradients of parameters and inputs.
//
// One call does what would otherwise be a batched product and several element-wise passes for each layer, every one of
// them handed over to the other threads: a thread takes a block of rows through all layers while it lies in its cache.
//
// Parameters [groups, size] are row-major weights [in, out], layer after layer, and then the biases. Activations lie in
// panels, [panels][rows][PANEL]; weights are packed into such panels at the start of each call. Every sum is taken in
// one order, so that numbers depend neither on how many threads there are nor on how many networks.

#include "panels.h"

#include <cstdint>
#include <memory>
#include <new>
#include <tuple>
#include <utility>

#include <immintrin.h>
#include <omp.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

namespace maxent {
namespace {

constexpr int MOST_LAYERS = 4;
constexpr int DIGIT = 15;           // bits of one layer's width
constexpr long MOST_ROWS = 128;     // of one block
constexpr long APART = 8;           // rows between panels, so that their first lines do not share a place in the cache
constexpr long LAYOUT = PANEL << 8 | APART;  // what compiled code must know of the memory that it hands over
#ifndef MAXENT_WORTH  // tests
#define MAXENT_WORTH 1'000'000
#endif
constexpr double WORTH = MAXENT_WORTH;  // floating-point operations that pay for waking the other threads

struct Network {
    int layers = 0;
    long width[MOST_LAYERS + 1];                    // inputs, hidden layers, outputs
    long weight[MOST_LAYERS], bias[MOST_LAYERS];    // where a group's parameters have them
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
    // All or one: libgomp ends and starts threads where teams of other sizes follow one another.
    int threads(long rows) const {
        return 2.0 * double(rows) * double(size) < WORTH ? 1 : std::max(1, omp_get_max_threads());
    }
};

// Panels of several layers, one after the other: the tasks of packing weights, and where those are.
struct Panels {
    int layers = 0;
    long count[MOST_LAYERS], at[MOST_LAYERS], each[MOST_LAYERS];
    long all = 0, size = 0;

    void add(long panels, long floats) {
        count[layers] = panels, at[layers] = size, each[layers++] = floats;
        all += panels, size += panels * floats;
    }
    std::pair<int, long> find(long task) const {
        int l = 0;
        while (task >= count[l]) task -= count[l++];
        return {l, task};
    }
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

// What one of the threads does of each list of tasks: the same part of every list, so that a thread finds in its own
// cache what it wrote before.
struct Share {
    explicit Share(unsigned rounding) { _mm_setcsr(rounding); }
    const long thread = omp_get_thread_num(), threads = omp_get_num_threads();
    long first(long tasks) const { return tasks * thread / threads; }
    long end(long tasks) const { return tasks * (thread + 1) / threads; }
    // This thread's part of the panels of all groups: fill(group, layer, number of the panel, its place).
    template <class Fill>
    void pack(long groups, const Panels& packing, float* packed, Fill fill) const {
        for (long task = first(groups * packing.all); task < end(groups * packing.all); task++) {
            const long group = task / packing.all;
            const auto [l, p] = packing.find(task % packing.all);
            fill(group, l, p, packed + group * packing.size + packing.at[l] + p * packing.each[l]);
        }
    }
    bool has(double middle, double all) const { return long(middle / all * double(threads)) == thread; }
};

long rows_of_a_block(long rows, long groups, int threads) {
    const long blocks = std::max(1L, 2L * threads / groups);
    return std::clamp((rows + blocks - 1) / blocks, 32L, MOST_ROWS);
}

// Outputs y [groups, rows, outputs] for x [groups / copies, rows, inputs]; hidden [groups][panels][rows + APART][PANEL], unless
// it is null, keeps what `backward` needs.
void forward(const Network& net, const float* flat, long groups, long size, const float* x, long copies, long rows,
             float* y, float* hidden) {
    const int last = net.layers - 1;
    const bool single = net.outputs() == 1 && last > 0;  // whose weights need no panel: a sum along each row
    Panels packing;
    for (int l = 0; l < net.layers - single; l++)
        packing.add(panels(net.width[l + 1]), PANEL * (1 + net.width[l]));  // the bias, then the weights
    float* const packed = workspace(0, groups * packing.size);
    const int threads = net.threads(groups * rows);
    const long block = rows_of_a_block(rows, groups, threads), blocks = (rows + block - 1) / block;

    const unsigned rounding = _mm_getcsr();  // whether subnormals are zero: as in the thread that calls
#pragma omp parallel num_threads(threads)
    {
        const Share share(rounding);
        share.pack(groups, packing, packed, [&](long group, int l, long p, float* panel) {
            const float* parameters = flat + group * size;
            pack(parameters + net.bias[l], 1, net.width[l + 1], p * PANEL, panel);
            pack(parameters + net.weight[l], net.width[l], net.width[l + 1], p * PANEL, panel + PANEL);
        });
#pragma omp barrier
        for (long task = share.first(groups * blocks); task < share.end(groups * blocks); task++) {
            const long group = task / blocks, first = task % blocks * block, count = std::min(block, rows - first);
            const float* inputs = x + ((group / copies) * rows + first) * net.width[0];
            float* const outputs = y + (group * rows + first) * net.outputs();
            // without a place to keep them, two layers' activations take turns
            float* const turns = hidden ? nullptr : workspace(1, 2 * net.widest * (block + APART) * PANEL);
            const long stride = ((hidden ? rows : block) + APART) * PANEL;
            for (int l = 0; l < net.layers - single; l++) {
                const long in = net.width[l], out = net.width[l + 1];
                float* const kept = hidden ? hidden + (group * net.hidden_panels() + net.hidden[l + 1]) * stride
                                           : turns + l % 2 * net.widest * stride;
                float* const into = hidden ? kept + first * PANEL : kept;
                for (long p = 0; p < packing.count[l]; p++) {
                    const float* panel = packed + group * packing.size + packing.at[l] + p * packing.each[l];
                    auto start = [=](Vector& left, Vector& right) INLINE { left = load(panel), right = load(panel + LANES); };
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
            if (!single) continue;
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
        }
    }
}

// From slopes dy [groups, rows, outputs] of the outputs those of the inputs, dx [groups / copies, rows, inputs], and of
// the parameters, dflat [groups, size]; either may be null.
void backward(const Network& net, const float* dy, const float* flat, long groups, long size, const float* x,
              long copies, long rows, const float* hidden, float* dx, float* dflat) {
    const int last = net.layers - 1;
    const long outputs = net.outputs(), stride = (rows + APART) * PANEL, all_hidden = net.hidden_panels() * stride;
    Panels packing, columns;  // transposed weights; the columns of each layer's gradient
    long cost = 0;            // of all the latter
    for (int l = 0; l < net.layers; l++) {
        packing.add(l > 0 || dx ? panels(net.width[l]) : 0, PANEL * net.width[l + 1]);
        columns.add(panels(net.width[l + 1]), 0);
        cost += panels(net.width[l + 1]) * net.width[l];
    }
    float* const packed = workspace(0, groups * packing.size);
    float* const slopes = dflat ? workspace(2, groups * all_hidden) : nullptr;  // of the hidden activations
    const int threads = net.threads(groups * rows);
    const long sources = groups / copies;
    const long block = rows_of_a_block(rows, sources, threads), blocks = (rows + block - 1) / block;

    const unsigned rounding = _mm_getcsr();  // whether subnormals are zero: as in the thread that calls
#pragma omp parallel num_threads(threads)
    {
        const Share share(rounding);
        share.pack(groups, packing, packed, [&](long group, int l, long p, float* panel) {
            pack_transposed(flat + group * size + net.weight[l], net.width[l], net.width[l + 1], p * PANEL, panel);
        });
#pragma omp barrier
        for (long task = share.first(sources * blocks); task < share.end(sources * blocks); task++) {
            const long source = task / blocks, first = task % blocks * block, end = std::min(rows, first + block);
            long listed[MOST_ROWS];
            const long* const rows_of = listed;
            if (dx) std::fill_n(dx + (source * rows + first) * net.width[0], (end - first) * net.width[0], 0.0f);
            for (long group = source * copies; group < (source + 1) * copies; group++) {
                const float* above = dy + group * rows * outputs;
                // A row whose outputs have no slope has none anywhere, if parameters are finite: where a minimum of two
                // critics was taken, half of the rows of each. Gradients of parameters run over all rows, so there
                // every row is listed.
                long count = 0;
                for (long r = first; r < end; r++) {
                    const float* row = above + r * outputs;
                    if (dflat || std::any_of(row, row + outputs, [](float slope) { return slope != 0.0f; }))
                        listed[count++] = r;
                }
                float* const turns = dflat ? nullptr : workspace(1, 2 * net.widest * (block + APART) * PANEL);
                const long apart = dflat ? stride : (block + APART) * PANEL;  // between panels of slopes
                for (int l = last; l > 0 || (l == 0 && dx); l--) {
                    const long in = net.width[l], out = net.width[l + 1];
                    float* const into = l == 0  ? dx + source * rows * in
                                        : dflat ? slopes + group * all_hidden + net.hidden[l] * stride + first * PANEL
                                                : turns + l % 2 * net.widest * apart;
                    const float* const active = hidden + group * all_hidden + net.hidden[l] * stride;
                    for (long p = 0; p < packing.count[l]; p++) {
                        const float* panel = packed + group * packing.size + packing.at[l] + p * packing.each[l];
                        auto each_row = [&](auto finish) {
                            if (l == last)
                                product(count, out, Listed{above, rows_of, out}, panel, zero, finish);
                            else
                                product(count, out, Rows{above, apart}, panel, zero, finish);
                        };
                        if (l > 0) {
                            each_row([=](long i, Vector left, Vector right) INLINE {
                                const Vector zeros{};
                                const float* h = active + p * stride + rows_of[i] * PANEL;
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
                    above = into;
                }
            }
        }
#pragma omp barrier
        double done = 0.0;
        const double all = dflat ? double(groups) * double(cost) : 0.0;
        for (long task = 0; task < (dflat ? groups * columns.all : 0); task++) {
            const long group = task / columns.all;
            const auto [l, p] = columns.find(task % columns.all);
            const long in = net.width[l], out = net.width[l + 1], count = std::min(PANEL, out - p * PANEL);
            done += double(in);
            if (!share.has(done - 0.5 * double(in), all)) continue;
            float* const weights = dflat + group * size + net.weight[l] + p * PANEL;
            const float* above = slopes + group * all_hidden + (net.hidden[l + 1] + p) * stride;
            if (l == last) {
                float* panel = workspace(1, stride);
                pack(dy + group * rows * outputs, rows, outputs, p * PANEL, panel);
                above = panel;
            }
            const float* const below = hidden + group * all_hidden + net.hidden[l] * stride;
            Vector left{}, right{};
            for (long r = 0; r < rows; r++) left += load(above + r * PANEL), right += load(above + r * PANEL + LANES);
            put(dflat + group * size + net.bias[l] + p * PANEL, count, left, right);
            auto save = [=](long k, Vector left, Vector right) INLINE { put(weights + k * out, count, left, right); };
            if (l == 0) {
                product(in, rows, Strided{x + (group / copies) * rows * in, 1, in}, above, zero, save);
                continue;
            }
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
    }
    for (long group = 0; dflat && group < groups; group++)
        std::fill(dflat + group * size + net.size, dflat + (group + 1) * size, 0.0f);
}

// ---------------------------------------------------------------------------------------------------- what torch calls

using torch::stable::Tensor;

void check(bool holds, const char* what) { STD_TORCH_CHECK(holds, "maxent: expected ", what, "."); }

float* floats(const Tensor& tensor) {
    check(tensor.scalar_type() == torch::headeronly::ScalarType::Float && tensor.is_contiguous(),
          "contiguous tensors of float32");
    return static_cast<float*>(tensor.data_ptr());
}

Network network(const Tensor& flat, const Tensor& x, int64_t widths, int64_t layout) {
    check(layout == LAYOUT, "code that was compiled for this library");
    check(flat.dim() == 2 && x.dim() == 3, "parameters [groups, size] and inputs [groups / k, rows, inputs]");
    const Network net(x.size(2), widths);
    check(net.layers > 0 && net.size <= flat.size(1), "as many parameters as the widths of the layers say");
    check(flat.size(0) > 0 && x.size(0) > 0 && flat.size(0) % x.size(0) == 0, "inputs for every group, or for every k-th");
    return net;
}

std::tuple<Tensor, Tensor> mlp(const Tensor& flat, const Tensor& x, int64_t widths, int64_t layout, bool keep) {
    const Network net = network(flat, x, widths, layout);
    const long groups = flat.size(0), rows = x.size(1);
    const Tensor y = torch::stable::new_empty(x, {groups, rows, net.outputs()});
    const Tensor hidden = torch::stable::new_empty(x, {keep ? groups : 0, net.hidden_panels(), rows + APART, PANEL});
    forward(net, floats(flat), groups, flat.size(1), floats(x), groups / x.size(0), rows, floats(y),
            keep ? floats(hidden) : nullptr);
    return {y, hidden};
}

std::tuple<Tensor, Tensor> mlp_backward(const Tensor& dy, const Tensor& flat, const Tensor& x, const Tensor& hidden,
                                        int64_t widths, int64_t layout, bool for_x, bool for_flat) {
    const Network net = network(flat, x, widths, layout);
    const long groups = flat.size(0), rows = x.size(1);
    check(dy.numel() == groups * rows * net.outputs(), "slopes of every output");
    check(reinterpret_cast<uintptr_t>(hidden.data_ptr()) % sizeof(Vector) == 0, "hidden activations as mlp aligned them");
    check(hidden.numel() == groups * net.hidden_panels() * (rows + APART) * PANEL, "the activations that mlp kept");
    const Tensor dx = torch::stable::new_empty(x, {for_x ? x.size(0) : 0, rows, x.size(2)});
    const Tensor dflat = torch::stable::new_empty(x, {for_flat ? groups : 0, flat.size(1)});
    backward(net, floats(dy), floats(flat), groups, flat.size(1), floats(x), groups / x.size(0), rows, floats(hidden),
             for_x ? floats(dx) : nullptr, for_flat ? floats(dflat) : nullptr);
    return {dx, dflat};
}

}  // namespace
}  // namespace maxent

extern "C" long maxent_layout() { return maxent::LAYOUT; }

STABLE_TORCH_LIBRARY(maxent, library) {
    library.def("mlp(Tensor flat, Tensor x, int widths, int layout, bool keep) -> (Tensor, Tensor)");
    library.def(
        "mlp_backward(Tensor dy, Tensor flat, Tensor x, Tensor hidden, int widths, int layout, bool for_x, bool for_flat)"
        " -> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(maxent, CPU, library) {
    library.impl("mlp", TORCH_BOX(&maxent::mlp));
    library.impl("mlp_backward", TORCH_BOX(&maxent::mlp_backward));
}
