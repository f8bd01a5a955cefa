/* A user of the installed library: C11 and C++17. */
#include <sprat.h>
#include <stdio.h>

int main(void) {
    if (sprat_abi_version() != SPRAT_ABI_VERSION) {
        fprintf(stderr, "header and library differ\n");
        return 1;
    }
    printf("sprat %s\n", sprat_version());
    return 0;
}
