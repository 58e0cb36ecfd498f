// What edges carry, added up at the nodes they enter. Each number of the result is written by one thread, and its sum is
// made in a fixed order, so that the same rows give the same sums in every run.

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

// The same for few nodes that many edges enter: the threads of a block share the edges of one node, 32 columns of them,
// and add up what each has found in a fixed order.
constexpr unsigned COLUMNS = 32, LANES = 32;

template <typename T>
__device__ void add_many_rows(unsigned width, unsigned n_grouped, const unsigned *starts, const unsigned *edges,
                              const unsigned *source, const T *base, const T *xs, T *sums) {
    __shared__ T parts[LANES][COLUMNS];
    unsigned node = blockIdx.x, lane = threadIdx.y, column = blockIdx.y * COLUMNS + threadIdx.x;
    T sum = 0;
    if (node < n_grouped && column < width) {
        for (unsigned i = starts[node] + lane; i < starts[node + 1]; i += LANES) {
            sum += xs[(size_t)source[edges[i]] * width + column];
        }
    }
    parts[lane][threadIdx.x] = sum;
    __syncthreads();
    for (unsigned half = LANES / 2; half > 0; half /= 2) {
        if (lane < half) parts[lane][threadIdx.x] += parts[lane + half][threadIdx.x];
        __syncthreads();
    }
    size_t number = (size_t)node * width + column;
    if (lane == 0 && column < width) sums[number] = base[number] + parts[0][threadIdx.x];
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

#define GRAPH unsigned width, unsigned n_grouped, const unsigned *starts, const unsigned *edges, const unsigned *source
#define KERNELS(NAME, T)                                                                                              \
    extern "C" __global__ void carried_##NAME(size_t n, GRAPH, const T *base, const T *xs, T *sums) {                 \
        add_rows<T, false>(n, width, n_grouped, starts, edges, source, base, nullptr, xs, sums);                      \
    }                                                                                                                 \
    extern "C" __global__ void gated_##NAME(size_t n, GRAPH, const T *base, const T *gates, const T *xs, T *sums) {   \
        add_rows<T, true>(n, width, n_grouped, starts, edges, source, base, gates, xs, sums);                         \
    }                                                                                                                 \
    extern "C" __global__ void carried_many_##NAME(size_t, GRAPH, const T *base, const T *xs, T *sums) {              \
        add_many_rows<T>(width, n_grouped, starts, edges, source, base, xs, sums);                                    \
    }                                                                                                                 \
    extern "C" __global__ void products_##NAME(size_t n, unsigned width, const unsigned *target,                      \
                                               const unsigned *source, const T *at_targets, const T *at_sources,      \
                                               T *out) {                                                              \
        products<T>(n, width, target, source, at_targets, at_sources, out);                                           \
    }

KERNELS(f32, float)
KERNELS(f64, double)
