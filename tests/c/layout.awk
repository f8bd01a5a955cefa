# The structs of the preprocessed header: what to measure, one name a line on
# the file NAMES, and C that puts two numbers for each into an array: of a
# struct its size and alignment, of a member its offset and size.
BEGIN { print "const uint32_t layout[] = {" }
/^typedef struct [a-z_]+ \{/ {
	type = $3
	print type > NAMES
	printf "(uint32_t)sizeof(%s), (uint32_t)_Alignof(%s),\n", type, type
	next
}
/^}/ { type = "" }
type != "" && /;$/ {
	member = $0
	sub(/(\[[^]]*\])*;$/, "", member)
	sub(/^.*[ *]/, "", member)
	print type "." member > NAMES
	printf "(uint32_t)offsetof(%s, %s), (uint32_t)sizeof(((%s *)0)->%s),\n", type, member, type, member
}
END { print "};" }
