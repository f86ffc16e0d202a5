/* The process that `add` is compared with: it adds two numbers, and its exit
 * code has the lowest seven bits of the sum. */

#include <stdlib.h>

int main(int count, char **arguments) {
    unsigned long long sum = 0;
    for (int at = 1; at < count; at++) sum += strtoull(arguments[at], NULL, 10);
    return (int)(sum & 127);
}
