# A test of a WebDAV client as a shell script: sh lab.sh DAV207 runs "DAV207 lab" and uses curl as the client.
set -eu
dir=$(mktemp -d)
mkfifo "$dir/stdin"
"$1" lab --ready-file "$dir/ready" --with-parent < "$dir/stdin" > "$dir/out" &
exec 3> "$dir/stdin" # the lab ends when this script ends, however that is
until [ -e "$dir/ready" ]; do sleep 0.01; done
url=$(sed 's/.*"url":"\([^"]*\)".*/\1/' "$dir/ready")
control=$(sed 's/.*"control":"\([^"]*\)".*/\1/' "$dir/ready")

curl -sf -X PUT --data-binary @- "${control}tree" <<'TREE'
-- /c/1 --
one
-- /c/2 --
two
-- /c/3 --
three
TREE
curl -sf -o "$dir/faults" -d '{"faults": [{"method": "DELETE", "path": "/c/3", "status": 423, "times": 1}]}' "${control}faults"

status=$(curl -s -o "$dir/answer" -w '%{http_code}' -X DELETE "${url}c/")
[ "$status" = 207 ]
grep -q '<D:href>/c/3</D:href><D:status>HTTP/1.1 423 Locked</D:status>' "$dir/answer"
curl -sf "${control}tree" | grep -qx -- '-- /c/3 --'
curl -sf "${control}faults" | grep -q '"fired":1'
[ "$(curl -s -o "$dir/answer" -w '%{http_code}' -X DELETE "${url}c/")" = 204 ]

exec 3>&-
wait
rm -r "$dir"
