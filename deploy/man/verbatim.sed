# A program's --help as it is, for a block without filling (.nf).
/^Usage:/d
s/\\/\\e/g
s/-/\\-/g
s/^[.']/\\\&&/
