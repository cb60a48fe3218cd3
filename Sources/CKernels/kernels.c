#include "CKernels.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

const char *gputrain_activation_source(void) {
  static const char text[] = {
#embed "../../Kernels/activation.cl"
      , 0};
  return text;
}

const char *gputrain_arithmetic_source(void) {
  static const char text[] = {
#embed "../../Kernels/arithmetic.cl"
      , 0};
  return text;
}

const char *gputrain_embedding_source(void) {
  static const char text[] = {
#embed "../../Kernels/embedding.cl"
      , 0};
  return text;
}

const char *gputrain_attention_source(void) {
  static const char text[] = {
#embed "../../Kernels/attention.cl"
      , 0};
  return text;
}

const char *gputrain_attention_group_source(void) {
  static const char text[] = {
#embed "../../Kernels/attention_group.cl"
      , 0};
  return text;
}

const char *gputrain_attention_item_source(void) {
  static const char text[] = {
#embed "../../Kernels/attention_item.cl"
      , 0};
  return text;
}

const char *gputrain_epilogue_source(void) {
  static const char text[] = {
#embed "../../Kernels/epilogue.cl"
      , 0};
  return text;
}

const char *gputrain_exponential_source(void) {
  static const char text[] = {
#embed "../../Kernels/exponential.cl"
      , 0};
  return text;
}

const char *gputrain_fill_source(void) {
  static const char text[] = {
#embed "../../Kernels/fill.cl"
      , 0};
  return text;
}

const char *gputrain_gather_source(void) {
  static const char text[] = {
#embed "../../Kernels/gather.cl"
      , 0};
  return text;
}

const char *gputrain_gradient_scale_source(void) {
  static const char text[] = {
#embed "../../Kernels/gradient_scale.cl"
      , 0};
  return text;
}

const char *gputrain_gram_source(void) {
  static const char text[] = {
#embed "../../Kernels/gram.cl"
      , 0};
  return text;
}

const char *gputrain_lanes_source(void) {
  static const char text[] = {
#embed "../../Kernels/lanes.cl"
      , 0};
  return text;
}

const char *gputrain_loss_source(void) {
  static const char text[] = {
#embed "../../Kernels/loss.cl"
      , 0};
  return text;
}

const char *gputrain_mma_source(void) {
  static const char text[] = {
#embed "../../Kernels/mma.cl"
      , 0};
  return text;
}

const char *gputrain_multiply_source(void) {
  static const char text[] = {
#embed "../../Kernels/multiply.cl"
      , 0};
  return text;
}

const char *gputrain_multiply_group_source(void) {
  static const char text[] = {
#embed "../../Kernels/multiply_group.cl"
      , 0};
  return text;
}

const char *gputrain_multiply_local_source(void) {
  static const char text[] = {
#embed "../../Kernels/multiply_local.cl"
      , 0};
  return text;
}

const char *gputrain_multiply_tensor_source(void) {
  static const char text[] = {
#embed "../../Kernels/multiply_tensor.cl"
      , 0};
  return text;
}

const char *gputrain_multiply_warpgroup_source(void) {
  static const char text[] = {
#embed "../../Kernels/multiply_warpgroup.cl"
      , 0};
  return text;
}

const char *gputrain_nonlinearity_source(void) {
  static const char text[] = {
#embed "../../Kernels/nonlinearity.cl"
      , 0};
  return text;
}

const char *gputrain_norm_bounds_source(void) {
  static const char text[] = {
#embed "../../Kernels/norm_bounds.cl"
      , 0};
  return text;
}

const char *gputrain_normalization_source(void) {
  static const char text[] = {
#embed "../../Kernels/normalization.cl"
      , 0};
  return text;
}

const char *gputrain_on_chip_source(void) {
  static const char text[] = {
#embed "../../Kernels/on_chip.cl"
      , 0};
  return text;
}

const char *gputrain_pack_source(void) {
  static const char text[] = {
#embed "../../Kernels/pack.cl"
      , 0};
  return text;
}

const char *gputrain_packed_source(void) {
  static const char text[] = {
#embed "../../Kernels/packed.cl"
      , 0};
  return text;
}

const char *gputrain_order_source(void) {
  static const char text[] = {
#embed "../../Kernels/order.cl"
      , 0};
  return text;
}

const char *gputrain_orthogonalization_source(void) {
  static const char text[] = {
#embed "../../Kernels/orthogonalization.cl"
      , 0};
  return text;
}

const char *gputrain_philox_source(void) {
  static const char text[] = {
#embed "../../Kernels/philox.cl"
      , 0};
  return text;
}

const char *gputrain_random_source(void) {
  static const char text[] = {
#embed "../../Kernels/random.cl"
      , 0};
  return text;
}

const char *gputrain_record_source(void) {
  static const char text[] = {
#embed "../../Kernels/record.cl"
      , 0};
  return text;
}

const char *gputrain_reduction_source(void) {
  static const char text[] = {
#embed "../../Kernels/reduction.cl"
      , 0};
  return text;
}

const char *gputrain_ritz_source(void) {
  static const char text[] = {
#embed "../../Kernels/ritz.cl"
      , 0};
  return text;
}

const char *gputrain_ritz_group_source(void) {
  static const char text[] = {
#embed "../../Kernels/ritz_group.cl"
      , 0};
  return text;
}

const char *gputrain_ritz_item_source(void) {
  static const char text[] = {
#embed "../../Kernels/ritz_item.cl"
      , 0};
  return text;
}

const char *gputrain_rotation_source(void) {
  static const char text[] = {
#embed "../../Kernels/rotation.cl"
      , 0};
  return text;
}

const char *gputrain_rounding_source(void) {
  static const char text[] = {
#embed "../../Kernels/rounding.cl"
      , 0};
  return text;
}

const char *gputrain_rules_source(void) {
  static const char text[] = {
#embed "../../Kernels/rules.cl"
      , 0};
  return text;
}

const char *gputrain_slices_source(void) {
  static const char text[] = {
#embed "../../Kernels/slices.cl"
      , 0};
  return text;
}

const char *gputrain_span_source(void) {
  static const char text[] = {
#embed "../../Kernels/span.cl"
      , 0};
  return text;
}

const char *gputrain_spectral_source(void) {
  static const char text[] = {
#embed "../../Kernels/spectral.cl"
      , 0};
  return text;
}

const char *gputrain_spectral_group_source(void) {
  static const char text[] = {
#embed "../../Kernels/spectral_group.cl"
      , 0};
  return text;
}

const char *gputrain_step_source(void) {
  static const char text[] = {
#embed "../../Kernels/step.cl"
      , 0};
  return text;
}

const char *gputrain_symmetric_source(void) {
  static const char text[] = {
#embed "../../Kernels/symmetric.cl"
      , 0};
  return text;
}

const char *gputrain_tile_source(void) {
  static const char text[] = {
#embed "../../Kernels/tile.cl"
      , 0};
  return text;
}

const char *gputrain_update_source(void) {
  static const char text[] = {
#embed "../../Kernels/update.cl"
      , 0};
  return text;
}

const char *gputrain_vector_source(void) {
  static const char text[] = {
#embed "../../Kernels/vector.cl"
      , 0};
  return text;
}

const char *gputrain_wgmma_source(void) {
  static const char text[] = {
#embed "../../Kernels/wgmma.cl"
      , 0};
  return text;
}

const char *gputrain_workgroup_source(void) {
  static const char text[] = {
#embed "../../Kernels/workgroup.cl"
      , 0};
  return text;
}
