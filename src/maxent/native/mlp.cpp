// Fully connected ReLU layers of many networks at once: outputs, and the gradients of parameters and inputs.
//
// One call replaces a batched product and several element-wise passes for each layer, each of which would be
// distributed over the threads: here a thread takes a block of rows through all layers while it is in its cache.
//
// Parameters [groups, size] are row-major weights [in, out], layer after layer, then the biases. Activations are stored
// in panels, [panels][rows][PANEL]; weights are packed into such panels at the start of each call. Every sum has one
// order, so numbers depend neither on the number of threads nor on the number of networks.

#include "backward.h"
#include "forward.h"

#include <tuple>

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

namespace maxent {
namespace {

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
    check(net.layers > 0 && net.size <= flat.size(1), "at least as many parameters as the widths of the layers need");
    check(flat.size(0) > 0 && x.size(0) > 0 && flat.size(0) % x.size(0) == 0,
          "inputs for every group, or one for every k groups");
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
    check(dy.numel() == groups * rows * net.outputs(), "slopes [groups, rows, outputs]");
    check(reinterpret_cast<uintptr_t>(hidden.data_ptr()) % sizeof(Vector) == 0,
          "the aligned hidden activations that mlp returned");
    check(hidden.numel() == groups * net.hidden_panels() * (rows + APART) * PANEL,
          "the hidden activations that mlp returned");
    const Tensor dx = torch::stable::new_empty(x, {for_x ? x.size(0) : 0, rows, x.size(2)});
    const Tensor dflat = torch::stable::new_empty(x, {for_flat ? groups : 0, flat.size(1)});
    backward(net, floats(dy), floats(flat), groups, flat.size(1), floats(x), groups / x.size(0), rows, floats(hidden),
             for_x ? floats(dx) : nullptr, for_flat ? floats(dflat) : nullptr);
    return {dx, dflat};
}

}  // namespace
}  // namespace maxent

extern "C" long maxent_layout() { return maxent::LAYOUT; }
// Set the most threads of a loop; return the number before.
extern "C" int maxent_use_threads(int most) { return maxent::Team::most_threads.exchange(std::max(1, most)); }

STABLE_TORCH_LIBRARY(maxent, library) {
    library.def("mlp(Tensor flat, Tensor x, int widths, int layout, bool keep) -> (Tensor, Tensor)");
    library.def(
        "mlp_backward(Tensor dy, Tensor flat, Tensor x, Tensor hidden, int widths, int layout, bool for_x, "
        "bool for_flat) -> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(maxent, CPU, library) {
    library.impl("mlp", TORCH_BOX(&maxent::mlp));
    library.impl("mlp_backward", TORCH_BOX(&maxent::mlp_backward));
}
