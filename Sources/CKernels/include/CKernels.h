// The sources of Kernels/, each a string.
#pragma once

const char *gputrain_activation_source(void);
const char *gputrain_arithmetic_source(void);
const char *gputrain_epilogue_source(void);
const char *gputrain_fill_source(void);
const char *gputrain_gather_source(void);
const char *gputrain_gram_source(void);
const char *gputrain_lanes_source(void);
const char *gputrain_loss_source(void);
const char *gputrain_mma_source(void);
const char *gputrain_multiply_source(void);
const char *gputrain_multiply_group_source(void);
const char *gputrain_multiply_local_source(void);
const char *gputrain_multiply_tensor_source(void);
const char *gputrain_nonlinearity_source(void);
const char *gputrain_normalization_source(void);
const char *gputrain_on_chip_source(void);
const char *gputrain_order_source(void);
const char *gputrain_philox_source(void);
const char *gputrain_random_source(void);
const char *gputrain_record_source(void);
const char *gputrain_reduction_source(void);
const char *gputrain_ritz_source(void);
const char *gputrain_ritz_group_source(void);
const char *gputrain_ritz_item_source(void);
const char *gputrain_rules_source(void);
const char *gputrain_slices_source(void);
const char *gputrain_span_source(void);
const char *gputrain_spectral_source(void);
const char *gputrain_spectral_group_source(void);
const char *gputrain_tile_source(void);
const char *gputrain_update_source(void);
const char *gputrain_vector_source(void);
const char *gputrain_workgroup_source(void);
