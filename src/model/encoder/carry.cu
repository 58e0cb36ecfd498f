// What edges carry, added up at the nodes they enter. One thread for each number of the result: no two threads write to
// one place and the edges of a node are added in their order, so that the same rows give the same sums in every run.

template <typename T, bool GATED>
__device__ void add_rows(size_t n_numbers, unsigned width, unsigned n_grouped, const unsigned *starts,
                         const unsigned *edges, const unsigned *source, const T *base, const T *gates, const T *xs,
                         T *sums) {
    size_t number = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    if (number >= n_numbers) return;
    unsigned node = number / width, column = number % width;
    T sum = base[number];
    if (node < n_grouped) {
        for (unsigned i = starts[node]; i < starts[node + 1]; ++i) {
            unsigned edge = edges[i];
            T x = xs[(size_t)source[edge] * width + column];
            sum += GATED ? gates[(size_t)edge * width + column] * x : x;
        }
    }
    sums[number] = sum;
}

template <typename T>
__device__ void products(size_t n_numbers, unsigned width, const unsigned *target, const unsigned *source,
                         const T *at_targets, const T *at_sources, T *products) {
    size_t number = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    if (number >= n_numbers) return;
    unsigned edge = number / width, column = number % width;
    products[number] =
        at_targets[(size_t)target[edge] * width + column] * at_sources[(size_t)source[edge] * width + column];
}

#define KERNELS(NAME, T)                                                                                             \
    extern "C" __global__ void carried_##NAME(size_t n_numbers, unsigned width, unsigned n_grouped,                  \
                                              const unsigned *starts, const unsigned *edges, const unsigned *source, \
                                              const T *base, const T *xs, T *sums) {                                 \
        add_rows<T, false>(n_numbers, width, n_grouped, starts, edges, source, base, nullptr, xs, sums);             \
    }                                                                                                                \
    extern "C" __global__ void gated_##NAME(size_t n_numbers, unsigned width, unsigned n_grouped,                    \
                                            const unsigned *starts, const unsigned *edges, const unsigned *source,   \
                                            const T *base, const T *gates, const T *xs, T *sums) {                   \
        add_rows<T, true>(n_numbers, width, n_grouped, starts, edges, source, base, gates, xs, sums);                \
    }                                                                                                                \
    extern "C" __global__ void products_##NAME(size_t n_numbers, unsigned width, const unsigned *target,             \
                                               const unsigned *source, const T *at_targets, const T *at_sources,     \
                                               T *out) {                                                             \
        products<T>(n_numbers, width, target, source, at_targets, at_sources, out);                                  \
    }

KERNELS(f32, float)
KERNELS(f64, double)
