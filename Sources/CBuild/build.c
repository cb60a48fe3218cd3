#include "CBuild.h"

// Package.swift defines GPUTRAIN_COMMIT where there is a git repository. `git archive`, which makes the
// files that GitHub offers for download, writes the commit into this line (.gitattributes).
static const char archived[] = "$Format:%H$";

const char *gputrain_commit(void) {
#ifdef GPUTRAIN_COMMIT
  return GPUTRAIN_COMMIT;
#else
  return archived[0] == '$' ? "" : archived;
#endif
}
