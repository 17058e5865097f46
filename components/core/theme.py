"""The report's style sheet: light and dark by the reader's preference, one column on a narrow window."""

STYLE = """
:root{color-scheme:light dark;--paper:#f6f7f9;--card:#fff;--ink:#15181d;--soft:#5b6470;--rule:#e2e5ea;
--model:#2257c5;--peer:#a35808;--pass:#14713f;--fail:#b3261e;--open:#8a5a00;
--pass-wash:#e5f4ea;--fail-wash:#fcebe9;--open-wash:#fdf3dc}
@media screen and (prefers-color-scheme:dark){:root{
--paper:#101317;--card:#181c22;--ink:#e8ebef;--soft:#9aa4b1;--rule:#2b313a;
--model:#7fa8ff;--peer:#f2ae55;--pass:#5bd08c;--fail:#ff8a80;--open:#eabf4d;
--pass-wash:#12281c;--fail-wash:#341a19;--open-wash:#302610}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1120px;margin:0 auto;padding:28px 24px 64px}
h1{font-size:1.5rem;line-height:1.25;margin:2px 0 2px;letter-spacing:-.01em}
h2{font-size:1.12rem;margin:44px 0 12px;letter-spacing:-.005em}
h3{font-size:.95rem;margin:0 0 2px}
p{margin:0 0 8px}
.over,.soft,figcaption,.tile small{color:var(--soft)}
.over{font-size:.85rem;margin:0}
.soft,figcaption{font-size:.88rem}p.soft{margin-top:8px}
.verdict{margin:18px 0 16px;padding:18px 22px;border-radius:12px;border-left:6px solid;max-width:none}
.verdict b{display:block;font-size:1.7rem;line-height:1.2;letter-spacing:-.015em;margin-bottom:6px}
.verdict p{margin:0;max-width:78ch}
.verdict.pass{background:var(--pass-wash);border-color:var(--pass)}.verdict.pass b{color:var(--pass)}
.verdict.fail{background:var(--fail-wash);border-color:var(--fail)}.verdict.fail b{color:var(--fail)}
.verdict.open{background:var(--open-wash);border-color:var(--open)}.verdict.open b{color:var(--open)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0}
.tile,figure,.card{background:var(--card);border:1px solid var(--rule);border-radius:12px}
.tile{padding:12px 16px}.tile dt{font-size:.85rem;color:var(--soft)}
.tile dd{margin:0;font-size:1.5rem;font-weight:650;letter-spacing:-.015em;font-variant-numeric:tabular-nums;
line-height:1.3}
.tile small{display:block;font-size:.8rem;font-weight:400;letter-spacing:0;line-height:1.35}
.card,.scroll{overflow-x:auto}.card{padding:6px 18px}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;padding:9px 14px 9px 0;border-bottom:1px solid var(--rule);vertical-align:top}
tr:last-child>td,tr:last-child>th{border-bottom:0}
thead th{font-size:.8rem;font-weight:600;color:var(--soft)}
tbody th{font-weight:600}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td:last-child,th:last-child{padding-right:0}
.gates th small{display:block;font-weight:400;color:var(--soft);font-size:.84rem;max-width:62ch}
.gates .mark{width:160px;height:26px;display:block}
.card+h3{margin:22px 0 8px}.months{font-size:.86rem}.months th,.months td{padding:6px 8px 6px 0}
.months td:last-child{font-weight:650}
.months tbody th{position:sticky;left:0;background:var(--card)}.minus{color:var(--fail)}
.pill{display:inline-block;border-radius:99px;padding:1px 10px;font-size:.82rem;font-weight:600;white-space:nowrap}
.pill.pass{color:var(--pass);background:var(--pass-wash)}
.pill.fail{color:var(--fail);background:var(--fail-wash)}
.pill.open{color:var(--open);background:var(--open-wash)}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:16px;align-items:start}
figure{margin:0;padding:16px 18px 12px}
.grid>div{display:grid;gap:16px}
figcaption{margin-bottom:8px}
.chart{display:block;width:100%;height:auto}
.chart .grid{stroke:var(--rule)}.chart .axis{stroke:var(--soft)}
.chart text{font:12.5px system-ui,sans-serif;fill:var(--soft)}
.line{fill:none;stroke-width:2.2;stroke-linejoin:round}
.line.model{stroke:var(--model)}.line.peer{stroke:var(--peer);stroke-dasharray:6 4}.line.loss{stroke:var(--fail);
stroke-width:1.4}
.line.gross{stroke:var(--model);stroke-width:1.8;stroke-dasharray:1.5 3.5}
.fill.loss{fill:var(--fail);opacity:.16}.fill.model{fill:var(--model);opacity:.16}
.bar{fill:var(--model);opacity:.55}.reach{fill:none;stroke:var(--ink);stroke-width:1.4}
.dot.model{fill:var(--model)}.dot.peer{fill:var(--peer)}
.whisker{stroke:var(--model);stroke-width:1.6;opacity:.55}
.level{stroke:var(--soft);stroke-dasharray:3 4}
.mark .bound{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:3 2}.mark .reach{stroke:currentColor;
stroke-width:3;stroke-linecap:round}
.mark circle{fill:currentColor}
.mark.pass{color:var(--pass)}.mark.fail{color:var(--fail)}.mark.open{color:var(--open)}
.key{display:inline-block;width:22px;height:0;border-top:3px solid var(--model);vertical-align:middle;
margin:0 5px 3px 0}
.key.peer{border-top:3px dashed var(--peer)}.key.came{border-color:var(--peer)}.key.gross{border-top:3px dotted
var(--model)}
.keyed{margin-right:12px;white-space:nowrap}
.matrix{border-spacing:6px;border-collapse:separate;table-layout:fixed}
.matrix th{border:0;padding:6px 0;font-size:.85rem;font-weight:400;color:var(--soft);vertical-align:middle}
.matrix td{border:0;border-radius:8px;padding:14px 6px;text-align:center;font-variant-numeric:tabular-nums;
font-size:1.15rem;font-weight:650}
.matrix td small{display:block;font-size:.78rem;font-weight:400}
.matrix .right{background:color-mix(in srgb,var(--model) calc(var(--share)*70% + 6%),var(--card))}
.matrix .wrong{background:color-mix(in srgb,var(--peer) calc(var(--share)*70% + 6%),var(--card))}
ul{margin:0;padding-left:1.15em}li{margin:6px 0;max-width:80ch}
code{font:.86em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.chips{display:flex;flex-wrap:wrap;gap:6px;padding:12px 0;margin:0;list-style:none}
.chips li{margin:0;border:1px solid var(--rule);border-radius:6px;padding:1px 8px}
.strip{display:flex;gap:3px;margin:12px 0 4px;height:10px}
.strip span{border-radius:3px;background:var(--soft);opacity:.35;flex:var(--share) 1 0;min-width:3px}
.strip span.test{background:var(--model);opacity:1}
footer{margin-top:48px;font-size:.85rem;color:var(--soft)}
@media (max-width:680px){main{padding:18px 14px 48px}.verdict{padding:14px 16px}.verdict b{font-size:1.4rem}
.card{padding:4px 14px}figure{padding:12px 12px 8px}
.tiles{grid-template-columns:1fr 1fr}.chart text{font-size:15.5px}
.stack thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
.stack tr{display:block;padding:12px 0;border-bottom:1px solid var(--rule)}.stack tr:last-child{border:0}
.stack th,.stack td{display:block;border:0;padding:2px 0;text-align:left;white-space:normal}
.stack td:empty{display:none}
.stack td[data-name]:not(:empty){display:flex;justify-content:space-between;gap:12px}
.stack td[data-name]::before{content:attr(data-name);color:var(--soft)}}
@media print{@page{margin:14mm}:root{font-size:11px}body{background:#fff;font-size:1rem;print-color-adjust:exact;
-webkit-print-color-adjust:exact}main{max-width:none;padding:0}h2{break-after:avoid;margin-top:24px}
.grid{grid-template-columns:1fr 1fr}.gates tr>:nth-child(3){display:none}
figure,.tile,.verdict,tr{break-inside:avoid}.card,.scroll{overflow:visible}td,th{padding-top:5px;padding-bottom:5px}}
"""
