// Matrix products in panels: PANEL columns side by side, stored row by row, so that the inner loop reads memory in
// order.
#pragma once

#include <algorithm>

#define INLINE __attribute__((always_inline))

namespace maxent {

#if defined(MAXENT_LANES)  // set by tests
constexpr long LANES = MAXENT_LANES;
#elif defined(__AVX512F__)
constexpr long LANES = 16;
#elif defined(__AVX__)
constexpr long LANES = 8;
#else
constexpr long LANES = 4;
#endif

#if defined(__AVX512F__)
constexpr int TILE = 12;  // rows of a tile: its sums occupy 24 of the 32 registers
#else
constexpr int TILE = 6;  // 12 of 16
#endif

constexpr long PANEL = 2 * LANES;

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4 * LANES)));
typedef float Loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));  // at any address

inline Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Vector*>(to) = value; }
constexpr long panels(long columns) { return (columns + PANEL - 1) / PANEL; }

// Store the first `columns` numbers of two vectors at any address.
inline void put(float* to, long columns, Vector left, Vector right) {
    if (columns >= PANEL) {
        *reinterpret_cast<Loose*>(to) = left;
        *reinterpret_cast<Loose*>(to + LANES) = right;
    } else {
        alignas(Vector) float both[PANEL];
        store(both, left), store(both + LANES, right);
        std::copy_n(both, columns, to);
    }
}

// Pack columns column..column + PANEL of a matrix [rows, columns] into a panel [rows][PANEL], zero beyond the last.
inline void pack(const float* matrix, long rows, long columns, long column, float* panel) {
    const long count = std::min(PANEL, columns - column);
    for (long r = 0; r < rows; r++, panel += PANEL) {
        std::copy_n(matrix + r * columns + column, count, panel);
        std::fill(panel + count, panel + PANEL, 0.0f);
    }
}

// Transpose LANES rows of LANES numbers: interleave rows i and i + LANES/2, log2(LANES) times.
INLINE inline void transpose(Vector (&rows)[LANES]) {
    typedef int Places __attribute__((vector_size(4 * LANES)));
    Places low, high;
#pragma GCC unroll 16
    for (int j = 0; j < LANES; j++) low[j] = j / 2 + j % 2 * LANES, high[j] = low[j] + LANES / 2;
#pragma GCC unroll 4
    for (long stage = 1; stage < LANES; stage *= 2) {
        Vector next[LANES];
#pragma GCC unroll 16
        for (int i = 0; i < LANES / 2; i++) {
            next[2 * i] = __builtin_shuffle(rows[i], rows[i + LANES / 2], low);
            next[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + LANES / 2], high);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) rows[i] = next[i];
    }
}

// Pack rows row..row + PANEL of a matrix [rows, columns] into a panel [columns][PANEL] of its transpose.
inline void pack_transposed(const float* matrix, long rows, long columns, long row, float* panel) {
    const long count = std::min(PANEL, rows - row);
    const float* const from = matrix + row * columns;
    long c = 0;
    for (; count == PANEL && c + LANES <= columns; c += LANES) {
#pragma GCC unroll 2
        for (long half = 0; half < PANEL; half += LANES) {
            Vector square[LANES];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++)
                square[i] = *reinterpret_cast<const Loose*>(from + (half + i) * columns + c);
            transpose(square);
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++) store(panel + (c + i) * PANEL + half, square[i]);
        }
    }
    for (; c < columns; c++) {
        for (long r = 0; r < count; r++) panel[c * PANEL + r] = from[r * columns + c];
        std::fill(panel + c * PANEL + count, panel + (c + 1) * PANEL, 0.0f);
    }
}

// The left operand of a product, read one number at a time: number s of row i, in four memory layouts.
struct Strided {  // at i · row + s · step
    const float* from;
    long row, step;
    const float* at(long i) const { return from + i * row; }
};
struct Listed {  // at rows[i] · row + s
    const float* from;
    const long* rows;
    long row;
    static constexpr long step = 1;
    const float* at(long i) const { return from + rows[i] * row; }
};
struct Rows {  // row i of panels that are `stride` apart
    const float* from;
    long stride;
};
struct Columns {  // column i of one panel
    const float* from;
};

template <int M, long ROW, long STEP>
INLINE inline void multiply_add(
    Vector (&left)[M], Vector (&right)[M], const float* a, const float* b, long steps) {
    for (long s = 0; s < steps; s++) {
        const Vector b0 = load(b + s * PANEL), b1 = load(b + s * PANEL + LANES);
#pragma GCC unroll 16
        for (int i = 0; i < M; i++) {
            left[i] += a[i * ROW + s * STEP] * b0;
            right[i] += a[i * ROW + s * STEP] * b1;
        }
    }
}

// (left, right)[i] += Σ_s a(first + i, s) · b[s]: M rows times one panel. Every sum is in the order of s.
template <int M>
INLINE inline void multiply_add(
    Vector (&left)[M], Vector (&right)[M], Rows a, long first, long steps, const float* b) {
    const float* from = a.from + first * PANEL;
    for (; steps >= PANEL; steps -= PANEL, from += a.stride, b += PANEL * PANEL)
        multiply_add<M, PANEL, 1>(left, right, from, b, PANEL);
    multiply_add<M, PANEL, 1>(left, right, from, b, steps);
}
template <int M>
INLINE inline void multiply_add(
    Vector (&left)[M], Vector (&right)[M], Columns a, long first, long steps, const float* b) {
    multiply_add<M, 1, PANEL>(left, right, a.from + first, b, steps);
}
template <int M, class A>
INLINE inline void multiply_add(
    Vector (&left)[M], Vector (&right)[M], A a, long first, long steps, const float* b) {
    const float* row[M];
    for (int i = 0; i < M; i++) row[i] = a.at(first + i);
    for (long s = 0, at = 0; s < steps; s++, at += a.step, b += PANEL) {
        const Vector b0 = load(b), b1 = load(b + LANES);
#pragma GCC unroll 16
        for (int i = 0; i < M; i++) {
            left[i] += row[i][at] * b0;
            right[i] += row[i][at] * b1;
        }
    }
}

template <int M, class A, class Start, class Finish>
inline void tile(int rows, long first, long steps, A a, const float* b, Start start, Finish finish) {
    if (rows == M) {
        Vector left[M], right[M];
#pragma GCC unroll 16
        for (int i = 0; i < M; i++) start(left[i], right[i]);
        multiply_add<M>(left, right, a, first, steps, b);
#pragma GCC unroll 16
        for (int i = 0; i < M; i++) finish(first + i, left[i], right[i]);
    } else if constexpr (M > 1) {
        tile<M - 1>(rows, first, steps, a, b, start, finish);
    }
}

// Multiply `rows` rows of a with a panel b, in tiles of nearly equal height: start initialises the sums of a row,
// finish(i, left, right) receives those of row i.
template <class A, class Start, class Finish>
void product(long rows, long steps, A a, const float* b, Start start, Finish finish) {
    const long tiles = (rows + TILE - 1) / TILE;
    for (long t = 0; t < tiles; t++) {
        const long first = rows * t / tiles, last = rows * (t + 1) / tiles;
        tile<TILE>(int(last - first), first, steps, a, b, start, finish);
    }
}

inline void zero(Vector& left, Vector& right) { left = right = Vector{}; }

}  // namespace maxent
