package weigh_test
import ("testing";"os";"fmt";"encoding/json";"path/filepath";"strings"
"github.com/inquest-project/inquest/internal/evidence"
"github.com/inquest-project/inquest/internal/reading"
"github.com/inquest-project/inquest/internal/reasoning"
"github.com/inquest-project/inquest/internal/reasoning/weigh")
func TestZZ(t *testing.T){ for _,d:=range strings.Fields(os.Getenv("ZZ")) {
 var truth struct{Killer struct{Client string; Frames []int}}
 b,_:=os.ReadFile(filepath.Join(d,"truth.json")); json.Unmarshal(b,&truth)
 set,err:=evidence.Open(evidence.Request{Paths: []string{d+"/evidence"}, Sysroots: []string{d+"/sysroot"}}); if err!=nil {t.Fatal(err)}
 r:=reading.Read(set); dd,when:=reasoning.Death(r); c:=weigh.NewCase(r.Image,r.Stacks,dd,when); weigh.Observe(c)
 fmt.Println("==",d,when.Earliest.Format("05.000000"),when.Latest.Format("05.000000"),when.Clock)
 var k *weigh.Candidate
 for _,m:=range c.Candidates { if m.Message.Conversation.Names[m.Own.Side.Other()]==truth.Killer.Client { for _,f:=range m.Message.Frames() { for _,g:=range truth.Killer.Frames { if f==g { k=m } } } } }
 if k==nil { fmt.Println("no killer"); continue }
 for _,m:=range c.Candidates { if !m.Message.End.Before(k.Message.End) { fmt.Println(m.Message.Conversation.Names[m.Own.Side.Other()],m.Message.Frames(),m.Message.End.Format("05.000000"),m.Own.State,"ans",m.Message.Answered!=nil,"last",m.Last(), "mem", m.Memory!=nil, func() string { if m.Memory!=nil { return fmt.Sprint(m.Memory.Extent,m.Memory.Exact,m.Memory.Offset,m.Memory.Length,"/",len(m.Data), m.Memory.Path,m.Memory.Address) }; return "" }(), m.Dissection.Summary) } } } }
