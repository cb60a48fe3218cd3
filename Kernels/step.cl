// What every training run takes, as one program: drivers need tens of milliseconds to find a program that
// they have compiled before, however little is in it.

#include "fill.cl"
#include "random.cl"
#include "order.cl"
#include "gather.cl"
#include "arithmetic.cl"
#include "record.cl"
#include "loss.cl"
