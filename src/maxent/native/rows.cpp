// Drawing rows of the replay: the numbers that NumPy's Generator.integers draws from the same stream, without the price
// of a dozen NumPy calls for each member.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

struct Stream {  // NumPy's bitgen_t
    void* state;
    uint64_t (*next_uint64)(void*);
    uint32_t (*next_uint32)(void*);
    double (*next_double)(void*);
    uint64_t (*next_raw)(void*);

    // Uniform in 0..count - 1: Lemire, "Fast random integer generation in an interval", 1805.10941, algorithm 5.
    int64_t below(uint32_t count) {
        if (count == 1) return 0;
        uint64_t product = uint64_t(next_uint32(state)) * count;
        if (uint32_t(product) < count) {
            const uint32_t least = -count % count;  // 2^32 mod count
            while (uint32_t(product) < least) product = uint64_t(next_uint32(state)) * count;
        }
        return int64_t(product >> 32);
    }
};

}  // namespace

struct Rows {  // of a replay, as `native/rows.py` lays it out
    Stream** streams;
    const uint8_t* kind;     // [members][lanes][ring]
    const int64_t* written;  // [members][lanes]
    int64_t members, lanes, ring;
};

// Uniform rows [members, count] that start a transition: those whose kind is 1 or 2. Others are drawn again, in passes,
// which leaves the rest uniform.
//
// Answers whether it found any: a member that has no such row would be searched for ever.
extern "C" bool maxent_rows(const Rows* replay, int64_t count, int64_t* rows) {
    const int64_t lanes = replay->lanes, ring = replay->ring;
    std::vector<int64_t> ends(lanes), shift(lanes), again(count);
    for (int64_t member = 0; member < replay->members; member++, rows += count) {
        const uint8_t* const kind = replay->kind + member * lanes * ring;
        int64_t all = 0;  // rows that the member has filled, lane after lane
        for (int64_t lane = 0; lane < lanes; lane++) {
            const int64_t filled = std::min(replay->written[member * lanes + lane] + 1, ring);
            shift[lane] = lane * ring - all;
            ends[lane] = all += filled;
        }
        for (int64_t i = 0; i < count; i++) again[i] = i;
        int64_t vain = 0;  // passes that found nothing, one after the other
        for (int64_t left = count; left > 0;) {
            for (int64_t i = 0; i < left; i++) {
                int64_t row = replay->streams[member]->below(uint32_t(all));
                if (lanes > 1) row += shift[std::upper_bound(ends.begin(), ends.end(), row) - ends.begin()];
                rows[again[i]] = row;
                __builtin_prefetch(kind + row);
            }
            int64_t wrong = 0;
            for (int64_t i = 0; i < left; i++)
                if (uint8_t(kind[rows[again[i]]] - 1) >= 2) again[wrong++] = again[i];
            vain = wrong < left ? 0 : vain + 1;
            left = wrong;
            if (vain == 1000 && std::none_of(kind, kind + lanes * ring, [](uint8_t k) { return uint8_t(k - 1) < 2; }))
                return false;
        }
    }
    return true;
}

// Uniform numbers below `below`, from one stream: what `native/rows.py` compares with NumPy's.
extern "C" void maxent_below(Stream* stream, int64_t below, int64_t count, int64_t* numbers) {
    for (int64_t i = 0; i < count; i++) numbers[i] = stream->below(uint32_t(below));
}
