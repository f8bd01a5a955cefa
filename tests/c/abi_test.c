/* Every function of sprat.h from C11: used rightly, and wrongly. */
#include "common.h"

unsigned checks_made, checks_failed;

_Static_assert(sizeof(sprat_mote_sa) == 48 + 4 * sizeof(void *), "size of a mote SA");
_Static_assert(SPRAT_OK == 0 && SPRAT_VERDICT_DROP == 0, "zero is success, and a verdict that drops");

void test_versions(void)
{
	const int32_t count = (int32_t)sprat_drop_count();

	CHECK_EQ(sprat_abi_version(), SPRAT_ABI_VERSION);
	CHECK(strchr(sprat_version(), '.') != NULL);
	for (int32_t status = SPRAT_OK; status >= SPRAT_E_INTERNAL; status--)
		CHECK(strcmp(sprat_status_text(status), "unknown status") != 0);
	for (int32_t status = SPRAT_E_EHC_LSB_RANGE; status >= SPRAT_E_EHC_IP_VERSION; status--)
		CHECK(strcmp(sprat_status_text(status), "unknown status") != 0);
	CHECK_TEXT(sprat_status_text(1), "unknown status");
	CHECK_TEXT(sprat_status_text(SPRAT_E_INTERNAL - 1), "unknown status");
	CHECK_TEXT(sprat_status_text(SPRAT_E_EHC_LSB_RANGE + 1), "unknown status");
	CHECK_TEXT(sprat_status_text(SPRAT_E_EHC_IP_VERSION - 1), "unknown status");
	CHECK_TEXT(sprat_status_text(INT32_MIN), "unknown status");

	CHECK(count >= SPRAT_DROP_SN_UNRESERVED);
	CHECK_TEXT(sprat_drop_name(SPRAT_DROP_TOO_OLD), "too-old");
	CHECK(strstr(sprat_drop_text(SPRAT_DROP_REPLAY), "RFC 4303") != NULL);
	CHECK_EQ(sprat_drop_audit(SPRAT_DROP_INTEGRITY), SPRAT_AUDIT_AUDIT);
	CHECK_EQ(sprat_drop_audit(SPRAT_DROP_DUMMY), SPRAT_AUDIT_SILENT);
	CHECK_EQ(sprat_drop_audit(SPRAT_DROP_NOT_IP), SPRAT_AUDIT_NOTICE);
	for (int32_t reason = 1; reason <= count; reason++)
		CHECK(sprat_drop_name(reason) != NULL && sprat_drop_text(reason) != NULL);
	const int32_t unknown[] = { 0, -1, count + 1, 256 + 5, INT32_MAX, INT32_MIN };
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
		CHECK(sprat_drop_name(unknown[i]) == NULL && sprat_drop_text(unknown[i]) == NULL);
		CHECK_EQ(sprat_drop_audit(unknown[i]), SPRAT_E_NOT_FOUND);
	}
}

int main(void)
{
	test_versions();
	test_sa();
	test_packets();
	test_refusals();
	test_ipsec();
	test_policies();
	test_config();
	test_ehc();
	test_ehc_sa();
	test_frames();
	test_mote();
	return check_sum("abi_test");
}
