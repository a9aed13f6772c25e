# Makes the README of the package from that of the source: without what needs the
# source, and with links to files as the package names them.
/^## Try it$/,/^## A program$/{
	/^## A program$/!d
}
/^## Install$/,/^## From /{
	/^## From /!d
}
s| `make html` renders the pages for a browser\.||
/^- \[CONTRIBUTING\.md\]/d
s|^- \[NEWS\](NEWS):|- [NEWS](changelog.gz):|
s|\[\(`man 7 aco_[a-z]*`\)\](man/aco_[a-z]*\.7)|\1|
s|^- \[man/\](man): the manual pages|- `man 7 aco`, `man aco_resume` and so on: the manual pages|
s|^- \[LICENSE\](LICENSE):|- [LICENSE](copyright):|
