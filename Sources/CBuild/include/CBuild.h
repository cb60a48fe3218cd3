#ifndef GPUTRAIN_BUILD_H
#define GPUTRAIN_BUILD_H

// The commit that the program was built from, as hexadecimal digits with a plus sign behind them where
// files were changed; empty where nobody knows.
const char *gputrain_commit(void);

#endif
