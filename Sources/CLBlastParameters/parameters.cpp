#include "clblast_parameters.h"

#include <clblast.h>

#include <string>
#include <unordered_map>

int gputrain_clblast_parameters(cl_device_id device, const char *kernel, void *context,
                                void (*visit)(void *context, const char *name, size_t value)) {
  std::unordered_map<std::string, size_t> parameters;
  // CLBlast catches its own exceptions and returns them as codes.
  const auto status =
      clblast::RetrieveParameters(device, kernel, clblast::Precision::kSingle, parameters);
  for (const auto &parameter : parameters) {
    visit(context, parameter.first.c_str(), parameter.second);
  }
  return static_cast<int>(status);
}
